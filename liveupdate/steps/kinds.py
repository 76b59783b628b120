"""The kinds of lines in a ledger: how what is behind one is found, taken away, and known without a ledger.

resources.py, and engine/orphans.py, use all kinds alike.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from liveupdate.drivers.cloud import inventory, marks
from liveupdate.errors import Retry
from liveupdate.model import Resource, Sighting
from liveupdate.steps import sightings

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.inventory import Inventory


class Hands(Protocol):
    """What it takes to find and to remove: a step's hands has it."""

    def user_cloud(self) -> "Cloud": ...

    def service_cloud(self) -> "Cloud": ...

    def checkpoint(self) -> None: ...


@dataclass(frozen=True)
class Found:
    """What a line stands for: the cloud's id of it. ``going``: it is being deleted, and must not be removed again.

    ``stuck``: its deletion has failed, and another one must be forced.
    """

    id: str
    going: bool = False
    stuck: bool = False


@dataclass(frozen=True)
class Kind:
    """``find`` returns what the line stands for, or None; ``remove`` takes its id, and may answer before it is gone;
    ``force`` is the same for what is stuck.

    ``seen``: what there is of it in the whole cloud, known by its mark; nothing of what goes with another one.
    """

    find: Callable[[Hands, Resource], Found | None]
    remove: Callable[[Hands, Resource, str], None]
    seen: Callable[["Inventory"], Iterable[Sighting]] = lambda inventory: ()
    force: Callable[[Hands, Resource, str], None] | None = None

    def take(self, hands: Hands, line: Resource, found: Found) -> None:
        """Remove it, by force if need be."""
        (self.force if found.stuck and self.force else self.remove)(hands, line, found.id)


def mark(line: Resource) -> str:
    """What a server's tag or a port's description says."""
    return marks.line(line.job_id, line.role)


class Stored(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def status(self) -> str: ...


class _Marked(Protocol):
    """What Cinder or Glance keeps, with the job's id and role in its metadata."""

    def get(self, identifier: str, /) -> Stored | None: ...

    def find(self, name: str, job_id: str, role: str) -> Stored | None: ...

    def delete(self, identifier: str, /) -> None: ...


class _Forced(_Marked, Protocol):
    def delete(self, identifier: str, /, *, force: bool = False) -> None: ...


def _marked(of: Callable[["Cloud"], _Marked], seen: Callable[["Inventory"], Iterable[Sighting]]) -> Kind:
    def find(hands: Hands, line: Resource) -> Found | None:
        them = of(hands.user_cloud())
        found = them.get(line.cloud_id) if line.cloud_id else them.find(line.name, line.job_id, line.role)
        return Found(found.id, going(found), stuck(found)) if found else None

    return Kind(find, lambda hands, line, found: of(hands.user_cloud()).delete(found), seen)


def _of_cinder(of: Callable[["Cloud"], _Forced], seen: Callable[["Inventory"], Iterable[Sighting]]) -> Kind:
    def force(hands: Hands, line: Resource, found: str) -> None:
        """As the service user: nobody but an administrator may."""
        of(hands.service_cloud()).delete(found, force=True)

    return replace(_marked(of, seen), force=force)


def going(stored: Stored) -> bool:
    """Whether Cinder is deleting it: it refuses to delete what is being deleted."""
    return stored.status == "deleting"


def stuck(stored: Stored) -> bool:
    """Whether Cinder has failed to delete it: it refuses to try again, unless it is forced."""
    return stored.status == "error_deleting"


def _server(hands: Hands, line: Resource) -> Found | None:
    servers = hands.user_cloud().servers
    found = servers.get(line.cloud_id) if line.cloud_id else servers.by_tag(mark(line))
    return Found(found.id) if found and found.status != "DELETED" else None


def _port(hands: Hands, line: Resource) -> Found | None:
    ports = hands.user_cloud().ports
    found = ports.get(line.cloud_id) if line.cloud_id else ports.find(line.name, mark(line))
    return Found(found.id) if found else None


def _lock(hands: Hands, line: Resource) -> Found | None:
    server = hands.service_cloud().servers.get(line.details["server_id"])
    ours = server is not None and server.locked and server.locked_reason == marks.lock_reason(line.job_id)
    return Found(server.id) if server and ours else None


def _attachment(hands: Hands, line: Resource) -> Found | None:
    """A line's ``details``: {"server_id", "volume_id"}. Its id is the volume's, as in Nova."""
    attached = hands.service_cloud().servers.volumes(line.details["server_id"])
    return next((Found(a.volume_id) for a in attached if a.volume_id == line.details["volume_id"]), None)


def _detach(hands: Hands, line: Resource, volume_id: str) -> None:
    """As the service user: of a locked server only an administrator may take a volume."""
    cloud = hands.service_cloud()
    volume = cloud.volumes.get(volume_id)
    if volume and volume.status in ("reserved", "attaching", "detaching"):
        raise Retry(1.0, f"volume {volume_id} is {volume.status}", counts=False)
    cloud.servers.detach_volume(line.details["server_id"], volume_id)


def _guest_attachment(hands: Hands, line: Resource) -> Found | None:
    """A line's ``details``: {"server_id", "volume_id"}. Nova knows nothing of it, and its id is Cinder's."""
    made = inventory.by_guest(hands.service_cloud(), line.details["server_id"])
    return next((Found(a.id) for a in made if a.volume_id == line.details["volume_id"]), None)


def _address_pair(hands: Hands, line: Resource) -> Found | None:
    """A line's ``details``: {"port_id", "address"}."""
    port = hands.service_cloud().ports.get(line.details["port_id"])
    return Found(port.id) if port and line.details["address"] in port.allowed else None


def _migration(hands: Hands, line: Resource) -> Found | None:
    """A line's ``details``: {"server_id", "name", "from", "to"}. It is there as long as Nova is at it."""
    server = hands.service_cloud().servers.get(line.details["server_id"])
    return Found(server.id) if server and server.status == "MIGRATING" else None


def _trust(hands: Hands, line: Resource) -> Found | None:
    """No line of a ledger: a job has its trust in its own row, and the reaper takes it away (worker/reaper.py)."""
    found = hands.service_cloud().trusts.get(line.cloud_id)
    return Found(found) if found else None


KINDS: Mapping[str, Kind] = {
    "server": Kind(_server, lambda c, line, found: c.user_cloud().servers.delete(found), sightings.servers),
    "volume": _of_cinder(lambda cloud: cloud.volumes, sightings.volumes),
    "snapshot": _of_cinder(lambda cloud: cloud.snapshots, sightings.snapshots),
    "backup": _of_cinder(lambda cloud: cloud.backups, sightings.backups),
    "image": _marked(lambda cloud: cloud.images, sightings.images),
    "port": Kind(_port, lambda c, line, found: c.user_cloud().ports.delete(found), sightings.ports),
    # the service user locks, so that an owner cannot unlock in mid-flight
    "lock": Kind(_lock, lambda c, line, found: c.service_cloud().servers.unlock(found), sightings.locks),
    # it ends by itself
    "migration": Kind(_migration, lambda c, line, found: c.service_cloud().servers.stop_migration(found)),
    # it goes with its server
    "attachment": Kind(_attachment, _detach),
    "guest_attachment": Kind(
        _guest_attachment,
        lambda c, line, found: c.service_cloud().attachments.delete(found),
        sightings.guest_attachments,
    ),
    "address_pair": Kind(
        _address_pair,
        lambda c, line, found: c.service_cloud().ports.disallow(found, line.details["address"]),
        sightings.address_pairs,
    ),
    "trust": Kind(_trust, lambda c, line, found: c.service_cloud().trusts.delete(found), sightings.trusts),
}
