"""Volume types, as far as the choice of one needs them."""

from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud.errors import calling


@dataclass(frozen=True)
class VolumeType:
    """``backend`` is "" if any will do; ``project_ids`` those it is for, None if it is everybody's."""

    id: str
    name: str
    backend: str
    encrypted: bool
    project_ids: frozenset[str] | None

    def open_to(self, project_id: str) -> bool:
        return self.project_ids is None or project_id in self.project_ids


class VolumeTypes:
    def __init__(self, block_storage: Any) -> None:
        self._storage = block_storage

    def find(self, name_or_id: str) -> VolumeType | None:
        """Read whole by administrators only: back end, encryption, and whose it is."""
        with calling(f"look for volume type {name_or_id}"):
            found = self._storage.find_type(name_or_id)
            if found is None:
                return None
            allowed = None if found.is_public else self._storage.get_type_access(found)
            encryption = self._storage.get_type_encryption(found)
        return VolumeType(
            id=found.id,
            name=found.name or "",
            backend=(found.extra_specs or {}).get("volume_backend_name", ""),
            encrypted=bool(encryption.provider),
            project_ids=None if allowed is None else frozenset(a["project_id"] for a in allowed),
        )
