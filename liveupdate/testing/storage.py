"""Volumes, their types, snapshots, backups and images of a cloud in memory; see cloud.py.

``World.stuck`` names those whose deletion Cinder does not bring to an end.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.attachments import Access, Attachment, Path
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.errors import CONFLICT
from liveupdate.drivers.cloud.images import Image
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.drivers.cloud.volume_types import VolumeType
from liveupdate.drivers.cloud.volumes import Volume
from liveupdate.errors import Retry
from liveupdate.testing.verbs import Verbs


def volume(identifier: str, **changes: Any) -> Volume:
    made = Volume(
        id=identifier,
        name=identifier,
        description="",
        status="available",
        size=3,
        type="ceph",
        bootable=False,
        multiattach=False,
        encrypted=False,
        metadata={},
        image_properties={},
        servers=frozenset(),
    )
    return replace(made, **changes)


class _Stored(Verbs):
    def _drop(self, where: dict[str, Any], identifier: str, force: bool) -> None:
        """Delete it, or leave it as Cinder does: in error_deleting until it is forced, or as if nothing was asked."""
        left_in = self.world.stuck.get(identifier)
        status = getattr(where.get(identifier), "status", "")
        self._refuse(status in ("deleting", "error_deleting") and not force, f"{identifier} is {status}")
        if identifier in where and left_in and not (force and left_in == "error_deleting"):
            where[identifier] = replace(where[identifier], status=left_in)
        else:
            where.pop(identifier, None)


class Volumes(_Stored):
    def all(self) -> list[Volume]:
        return list(self.world.volumes.values())

    def get(self, volume_id: str) -> Volume | None:
        return self.world.volumes.get(volume_id)

    def find(self, name: str, job_id: str, role: str) -> Volume | None:
        named = (v for v in self.world.volumes.values() if v.name == name)
        return next((v for v in named if marks.carries(v.metadata, job_id, role)), None)

    def from_snapshot(self, name: str, snapshot_id: str, size: int, type: str, metadata: Mapping[str, str]) -> Volume:
        return self._make(snapshot_id, self.world.snapshots, name, size, type, metadata)

    def from_backup(self, name: str, backup_id: str, size: int, type: str, metadata: Mapping[str, str]) -> Volume:
        return self._make(backup_id, self.world.backups or {}, name, size, type, metadata)

    def _make(
        self, source: str, there: Mapping[str, Any], name: str, size: int, type: str, metadata: Mapping[str, str]
    ) -> Volume:
        def work() -> Volume:
            self._refuse(source not in there, f"no {source}")
            told = {"name": name, "size": size, "type": type, "metadata": dict(metadata)}
            made = volume(self.world.new_id("volume"), bootable=True, **told)
            self.world.volumes[made.id] = made
            return made

        made: Volume = self._do("create_volume", work)
        return made

    def update(self, volume_id: str, name: str, description: str, metadata: Mapping[str, str]) -> None:
        def work() -> None:
            self._refuse(volume_id not in self.world.volumes, f"no {volume_id}")
            found = self.world.volumes[volume_id]
            told = replace(found, name=name, description=description, metadata=dict(metadata))
            self.world.volumes[volume_id] = told

        self._do("update_volume", work)

    def delete(self, volume_id: str, *, force: bool = False) -> None:
        def work() -> None:
            found = self.world.volumes.get(volume_id)
            self._refuse(bool(found and found.servers), f"volume {volume_id} is in use")
            used = any(s.volume_id == volume_id for s in self.world.snapshots.values())
            self._refuse(used, f"volume {volume_id} has snapshots")
            self._drop(self.world.volumes, volume_id, force)

        self._do("delete_volume", work)


class Attachments(Verbs):
    def get(self, attachment_id: str) -> Attachment | None:
        return self.world.inside.get(attachment_id)

    def of_server(self, server_id: str) -> list[Attachment]:
        novas = [
            Attachment(f"{server_id}-{v}", v, server_id, *self._connected(v))
            for v in self.world.attached.get(server_id, {})
        ]
        return novas + [made for made in self.world.inside.values() if made.server_id == server_id]

    def create(self, volume_id: str, server_id: str, connector: Mapping[str, Any]) -> str:
        def work() -> str:
            found = self.world.volumes[volume_id]
            self._refuse(bool(found.servers) and not found.multiattach, f"volume {volume_id} is in use")
            paths = tuple(Path(f"10.0.9.{n}:3260", f"iqn.test:{volume_id}", 1) for n in (1, 2))
            made = Attachment(self.world.new_id("attachment"), volume_id, server_id, "iscsi", paths)
            self.world.inside[made.id] = made
            self.world.update_volume(volume_id)
            return made.id

        return str(self._do("create_attachment", work))

    def complete(self, attachment_id: str) -> None:
        self._do("complete_attachment", lambda: None)

    def access(self, attachment_id: str) -> Access:
        return Access(self.world.inside[attachment_id].paths or (), "user", "secret")

    def delete(self, attachment_id: str) -> None:
        def work() -> None:
            if made := self.world.inside.pop(attachment_id, None):
                self.world.update_volume(made.volume_id)

        self._do("delete_attachment", work)

    def _connected(self, volume_id: str) -> tuple[str, tuple[Path, ...] | None]:
        count = self.world.paths.get(volume_id)
        if count is None:
            return "rbd", None
        return "iscsi", tuple(Path(f"10.0.9.{n}:3260", f"iqn.test:{volume_id}", 1) for n in range(1, count + 1))


class Snapshots(_Stored):
    def all(self) -> list[Snapshot]:
        return list(self.world.snapshots.values())

    def get(self, snapshot_id: str) -> Snapshot | None:
        return self.world.snapshots.get(snapshot_id)

    def find(self, name: str, job_id: str, role: str) -> Snapshot | None:
        named = (s for s in self.world.snapshots.values() if s.name == name)
        return next((s for s in named if marks.carries(s.metadata, job_id, role)), None)

    def of_volume(self, volume_id: str) -> list[Snapshot]:
        return [s for s in self.world.snapshots.values() if s.volume_id == volume_id]

    def create(self, name: str, volume_id: str, metadata: Mapping[str, str]) -> Snapshot:
        def work() -> Snapshot:
            self._refuse(volume_id not in self.world.volumes, f"no {volume_id}")
            made = Snapshot(self.world.new_id("snapshot"), name, "available", volume_id, dict(metadata))
            self.world.snapshots[made.id] = made
            return made

        made: Snapshot = self._do("create_snapshot", work)
        return made

    def delete(self, snapshot_id: str, *, force: bool = False) -> None:
        self._do("delete_snapshot", lambda: self._drop(self.world.snapshots, snapshot_id, force))


class Backups(_Stored):
    def all(self) -> list[Backup]:
        return list((self.world.backups or {}).values())

    def offered(self) -> bool:
        return self.world.backups is not None

    def _there(self) -> dict[str, Backup]:
        self._refuse(self.world.backups is None, "there is no backup service")
        assert self.world.backups is not None
        return self.world.backups

    def get(self, backup_id: str) -> Backup | None:
        return (self.world.backups or {}).get(backup_id)

    def find(self, name: str, job_id: str, role: str) -> Backup | None:
        named = (b for b in (self.world.backups or {}).values() if b.name == name)
        return next((b for b in named if marks.carries(b.metadata, job_id, role)), None)

    def create(self, name: str, volume_id: str, metadata: Mapping[str, str]) -> Backup:
        def work() -> Backup:
            self._refuse(volume_id not in self.world.volumes, f"no {volume_id}")
            there, size = self._there(), self.world.volumes[volume_id].size
            made = Backup(self.world.new_id("backup"), name, "available", volume_id, size, dict(metadata))
            there[made.id] = made
            return made

        made: Backup = self._do("create_backup", work)
        return made

    def delete(self, backup_id: str, *, force: bool = False) -> None:
        self._do("delete_backup", lambda: self._drop(self._there(), backup_id, force))


class Images(_Stored):
    def all(self) -> list[Image]:
        return list(self.world.images.values())

    def get(self, image_id: str) -> Image | None:
        return self.world.images.get(image_id)

    def find(self, name: str, job_id: str, role: str) -> Image | None:
        named = (i for i in self.world.images.values() if i.name == name)
        return next((i for i in named if marks.carries(i.metadata, job_id, role)), None)

    def of_server(self, name: str, server_id: str, metadata: Mapping[str, str]) -> str:
        def work() -> str:
            self._refuse(server_id not in self.world.servers, f"no {server_id}")
            made = Image(self.world.new_id("image"), name, "active", 1 << 30, dict(metadata))
            self.world.images[made.id] = made
            return made.id

        return str(self._do("create_image", work))

    def delete(self, image_id: str, *, force: bool = False) -> None:
        def work() -> None:
            if image_id in self.world.cloned:
                raise Retry(3.0, f"image {image_id} is in use", code=CONFLICT)
            self._drop(self.world.images, image_id, force)
            self.world.golden.pop(image_id, None)

        self._do("delete_image", work)


class VolumeTypes(Verbs):
    def find(self, name_or_id: str) -> VolumeType | None:
        return self.world.volume_types.get(name_or_id)
