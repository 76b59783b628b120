"""Volumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.errors import calling, missing


@dataclass(frozen=True)
class Volume:
    """``size`` in GiB; ``servers`` are the ids of those it is attached to."""

    id: str
    name: str
    description: str
    status: str
    size: int
    type: str
    bootable: bool
    multiattach: bool
    encrypted: bool
    metadata: Mapping[str, str]
    image_properties: Mapping[str, str]
    servers: frozenset[str]
    zone: str = ""


class Volumes:
    def __init__(self, block_storage: Any) -> None:
        self._storage = block_storage

    def get(self, volume_id: str) -> Volume | None:
        with calling(f"read volume {volume_id}"):
            try:
                return _volume(self._storage.get_volume(volume_id))
            except Exception as error:
                if missing(error):
                    return None
                raise

    def all(self) -> list[Volume]:
        """Of every project. Administrators only."""
        with calling("list the volumes"):
            return [_volume(v) for v in self._storage.volumes(details=True, all_projects=True)]

    def find(self, name: str, job_id: str, role: str) -> Volume | None:
        """The volume that this job made for this role, or None."""
        with calling(f"look for volume {name}"):
            listed = [_volume(v) for v in self._storage.volumes(details=True, name=name)]
        return next((v for v in listed if marks.carries(v.metadata, job_id, role)), None)

    def from_snapshot(self, name: str, snapshot_id: str, size: int, type: str, metadata: Mapping[str, str]) -> Volume:
        """Begin a volume; bootable flag and image properties carry over by themselves.

        ``size`` 0 and ``type`` "": as the volume that the snapshot is of.
        """
        return self._create(name, size, type, metadata, snapshot_id=snapshot_id)

    def from_backup(self, name: str, backup_id: str, size: int, type: str, metadata: Mapping[str, str]) -> Volume:
        """As from_snapshot, but copied wholly."""
        return self._create(name, size, type, metadata, backup_id=backup_id)

    def _create(self, name: str, size: int, type: str, metadata: Mapping[str, str], **source: str) -> Volume:
        with calling(f"create volume {name}", creates=True):
            made = self._storage.create_volume(
                name=name, size=size or None, volume_type=type or None, metadata=dict(metadata), **source
            )
        return _volume(made)

    def update(self, volume_id: str, name: str, description: str, metadata: Mapping[str, str]) -> None:
        """Make name, description and metadata exactly these."""
        with calling(f"rename volume {volume_id}"):
            self._storage.update_volume(volume_id, name=name, description=description, metadata=dict(metadata))

    def delete(self, volume_id: str, *, force: bool = False) -> None:
        """``force``: also one that is stuck (error_deleting). Administrators only."""
        with calling(f"delete volume {volume_id}"):
            self._storage.delete_volume(volume_id, ignore_missing=True, force=force)


def _volume(v: Any) -> Volume:
    return Volume(
        id=v.id,
        name=v.name or "",
        description=v.description or "",
        status=v.status or "",
        size=int(v.size or 0),
        type=v.volume_type or "",
        bootable=bool(v.is_bootable),
        multiattach=bool(v.is_multiattach),
        encrypted=bool(v.is_encrypted),
        metadata=dict(v.metadata or {}),
        image_properties=dict(v.volume_image_metadata or {}),
        servers=frozenset(a["server_id"] for a in v.attachments or () if a.get("server_id")),
        zone=v.availability_zone or "",
    )
