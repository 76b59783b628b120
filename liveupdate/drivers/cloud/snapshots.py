"""Snapshots of volumes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.errors import calling, missing


@dataclass(frozen=True)
class Snapshot:
    id: str
    name: str
    status: str
    volume_id: str
    metadata: Mapping[str, str]


class Snapshots:
    def __init__(self, block_storage: Any) -> None:
        self._storage = block_storage

    def get(self, snapshot_id: str) -> Snapshot | None:
        with calling(f"read snapshot {snapshot_id}"):
            try:
                return _snapshot(self._storage.get_snapshot(snapshot_id))
            except Exception as error:
                if missing(error):
                    return None
                raise

    def all(self) -> list[Snapshot]:
        """Of every project. Administrators only."""
        with calling("list the snapshots"):
            return [_snapshot(s) for s in self._storage.snapshots(details=True, all_projects=True)]

    def find(self, name: str, job_id: str, role: str) -> Snapshot | None:
        """The snapshot that this job made for this role, or None."""
        with calling(f"look for snapshot {name}"):
            listed = [_snapshot(s) for s in self._storage.snapshots(details=True, name=name)]
        return next((s for s in listed if marks.carries(s.metadata, job_id, role)), None)

    def of_volume(self, volume_id: str) -> list[Snapshot]:
        """Administrators see those of all projects."""
        with calling(f"list the snapshots of volume {volume_id}"):
            listed = self._storage.snapshots(details=True, volume_id=volume_id, all_projects=True)
            return [_snapshot(s) for s in listed]

    def create(self, name: str, volume_id: str, metadata: Mapping[str, str]) -> Snapshot:
        """Begin a snapshot of a volume, attached or not."""
        with calling(f"create snapshot {name}", creates=True):
            made = self._storage.create_snapshot(
                name=name, volume_id=volume_id, metadata=dict(metadata), is_forced=True
            )
        return _snapshot(made)

    def delete(self, snapshot_id: str, *, force: bool = False) -> None:
        """``force``: also one that is stuck (error_deleting). Administrators only."""
        with calling(f"delete snapshot {snapshot_id}"):
            self._storage.delete_snapshot(snapshot_id, ignore_missing=True, force=force)


def _snapshot(s: Any) -> Snapshot:
    return Snapshot(s.id, s.name or "", s.status or "", s.volume_id or "", dict(s.metadata or {}))
