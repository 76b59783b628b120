"""Backups of volumes, made by Cinder's backup service where there is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.errors import calling, missing

#: Backups in one answer.
_PAGE = 100


@dataclass(frozen=True)
class Backup:
    """``size`` in GiB, of the volume."""

    id: str
    name: str
    status: str
    volume_id: str
    size: int
    metadata: Mapping[str, str]


class Backups:
    def __init__(self, block_storage: Any) -> None:
        self._storage = block_storage

    def offered(self) -> bool:
        """Whether a backup service is up. Administrators only."""
        with calling("look for a backup service"):
            services = list(self._storage.services(binary="cinder-backup"))
        return any((s.state, s.status) == ("up", "enabled") for s in services)

    def get(self, backup_id: str) -> Backup | None:
        with calling(f"read backup {backup_id}"):
            try:
                return _backup(self._storage.get_backup(backup_id))
            except Exception as error:
                if missing(error):
                    return None
                raise

    def all(self) -> list[Backup]:
        """Of every project. Administrators only."""
        # openstacksdk drops "all_tenants" from what it asks for backups
        found: list[Backup] = []
        query: dict[str, Any] = {"all_tenants": 1, "limit": _PAGE}
        while True:
            with calling("list the backups"):
                answer = self._storage.get("/backups/detail", params=query)
                raise_from_response(answer)
                page = answer.json()["backups"]
            found += [_backup(SimpleNamespace(**b)) for b in page]
            if len(page) < _PAGE:
                return found
            query["marker"] = page[-1]["id"]

    def find(self, name: str, job_id: str, role: str) -> Backup | None:
        """The backup that this job made for this role, or None."""
        with calling(f"look for backup {name}"):
            listed = [_backup(b) for b in self._storage.backups(details=True, name=name)]
        return next((b for b in listed if marks.carries(b.metadata, job_id, role)), None)

    def create(self, name: str, volume_id: str, metadata: Mapping[str, str]) -> Backup:
        """Begin a backup of a volume, attached or not; it takes a full copy's time."""
        with calling(f"create backup {name}", creates=True):
            made = self._storage.create_backup(name=name, volume_id=volume_id, metadata=dict(metadata), force=True)
        return _backup(made)

    def delete(self, backup_id: str, *, force: bool = False) -> None:
        """``force``: also one that is stuck (error_deleting). Administrators only."""
        with calling(f"delete backup {backup_id}"):
            self._storage.delete_backup(backup_id, ignore_missing=True, force=force)


def _backup(b: Any) -> Backup:
    return Backup(b.id, b.name or "", b.status or "", b.volume_id or "", int(b.size or 0), dict(b.metadata or {}))
