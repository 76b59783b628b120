"""The parts of a fallback as a job's parameters carry them: frozen when the job is accepted. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

from liveupdate.model import Fallback, Resource
from liveupdate.planning import roles


@dataclass(frozen=True)
class Part:
    """One kept line of the ledger of the job ``job_id``: a snapshot, a backup, an image of the server's own disk, or
    the old volume itself.

    ``size`` in GiB; ``volume_id`` is the volume it is a copy of, "" for an old volume and for an image. ``dies``: that
    an old volume was to be deleted together with its server.
    """

    line: int
    job_id: str
    kind: str
    role: str
    name: str
    cloud_id: str
    size: int
    type: str
    boot: bool
    volume_id: str
    dies: bool
    #: A cloud-init on it takes another server for the same machine.
    noted: bool = False

    @property
    def root(self) -> bool:
        """Of what is booted from; other volumes of the boot set have an id in their role."""
        return self.boot and self.role == roles.FALLBACK


def of(fallback: Fallback) -> list[dict[str, Any]]:
    """As JSON, copies before the volumes they are of: Cinder deletes no volume that has snapshots."""
    ordered = sorted(fallback.parts, key=lambda line: (line.kind == "volume", line.id))
    return [asdict(_part(line)) for line in ordered]


def read(stored: list[dict[str, Any]]) -> list[Part]:
    return [Part(**part) for part in stored]


def _part(line: Resource) -> Part:
    told = line.details
    return Part(
        line=line.id,
        job_id=line.job_id,
        kind=line.kind,
        role=line.role,
        name=line.name,
        cloud_id=line.cloud_id,
        size=int(told.get("size") or 0),
        type=told.get("type") or "",
        boot=bool(told.get("boot", line.role == roles.FALLBACK)),
        volume_id=told.get("volume_id") or "",
        dies=bool(told.get("dies")),
        noted=bool(told.get("noted")),
    )
