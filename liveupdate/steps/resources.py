"""Cloud objects by the ledger's rule: intent, act, record; found again after a crash, and taken away wholly.

Each kind of ledger line has one way to be found, one to be taken away, and one to be known without a ledger; make,
unmake, clean_up and engine/orphans.py use them alike.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from liveupdate import lease
from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed, LeaseLost, LiveUpdateError, Retry, Watch
from liveupdate.model import Json, Resource, Sighting
from liveupdate.states import ResourceState
from liveupdate.steps import sightings
from liveupdate.steps.protocol import StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.inventory import Inventory

T = TypeVar("T")

#: Seconds that a short wait (a volume from a snapshot: half a second) is sat out; after that the job is parked.
PATIENCE = 5.0
_INTERVAL = 0.2
#: Seconds that an outlived worker waits for its successor to record what it makes.
_SUCCESSION = 120.0


class Hands(Protocol):
    """What it takes to find and to remove: a step's context has it."""

    def user_cloud(self) -> "Cloud": ...

    def service_cloud(self) -> "Cloud": ...

    def checkpoint(self) -> None: ...


@dataclass(frozen=True)
class Kind:
    """``find`` returns the cloud's id of what the line stands for, or None; ``remove`` may answer before it is gone.

    ``seen``: what there is of it in the whole cloud, known by its mark; nothing of what goes with another one.
    """

    find: Callable[[Hands, Resource], str | None]
    remove: Callable[[Hands, Resource, str], None]
    seen: Callable[["Inventory"], Iterable[Sighting]] = lambda inventory: ()


def make(
    context: StepContext, kind: str, role: str, create: Callable[[Resource], str], details: Json | None = None
) -> str:
    """The cloud's id of this job's object for (kind, role): adopted if it is there, created otherwise."""
    line = context.ledger.intend(kind, role, details)
    found = KINDS[kind].find(context, line)
    if found is None and line.state == ResourceState.CREATED:
        # somebody removed it behind our back: the line is history, a new one begins
        context.ledger.deleted(line)
        line = context.ledger.intend(kind, role, details)
    if found is None:
        found = create(line)
    if line.state == ResourceState.INTENDED:
        record(context, line, found)
    return found


def record(context: StepContext, line: Resource, made: str, details: Json | None = None) -> Resource:
    """Write down what was made. A worker that was outlived takes it away again, unless its successor has it."""
    try:
        return context.ledger.created(line, made, details)
    except LeaseLost:
        if not _adopted(context, line, made):
            # nobody else knows of it: no lease is needed for that
            with lease.held(None):
                KINDS[line.kind].remove(context, line, made)
        raise


def _adopted(context: StepContext, line: Resource, made: str) -> bool:
    """Whether it is the successor's, or may yet be: one that is in the middle of making it finds it by its mark."""
    end = time.monotonic() + _SUCCESSION
    while True:
        lines = [r for r in (*context.ledger.open(), *context.ledger.past(line.kind)) if r.kind == line.kind]
        if any(r.cloud_id == made and r.state != ResourceState.DELETED for r in lines):
            return True
        undecided = any(r.role == line.role and r.state == ResourceState.INTENDED for r in lines)
        if not undecided or time.monotonic() >= end:
            # what nobody has decided on by now is left to whoever takes the job up: it is found by its mark
            return undecided
        time.sleep(1.0)


def there(context: StepContext, kind: str, role: str) -> str | None:
    """The cloud's id of what the ledger says was made for (kind, role), if it is recorded and still exists."""
    line = context.ledger.find(kind, role)
    if line is None or line.state != ResourceState.CREATED:
        return None
    return KINDS[kind].find(context, line)


def unmake(context: StepContext, kind: str, role: str) -> None:
    """Take away what was made for (kind, role) and see it gone; nothing happens if it never was, or is gone."""
    line = context.ledger.find(kind, role)
    if line is not None:
        take_away(context, line)


def take_away(context: StepContext, line: Resource) -> None:
    see_gone(context, line)
    context.ledger.deleted(line)


def see_gone(hands: Hands, line: Resource) -> None:
    """Take away what the line stands for. Raises Retry as long as it goes."""
    way = KINDS[line.kind]
    found = way.find(hands, line)
    if found is not None:
        way.remove(hands, line, found)
        wait(
            hands,
            lambda: way.find(hands, line) is None or None,
            f"{line.kind} {line.name} to be gone",
            watch=_watch(hands, line, found),
        )


def take_all_away(context: StepContext) -> None:
    """Everything that the ledger has open, newest first. Raises Failed, naming what could not be taken away and why."""
    blocked = []
    for line in reversed(context.ledger.open()):
        try:
            if line.kind not in KINDS:
                raise Failed(f"nothing here knows how a {line.kind} is taken away")
            take_away(context, line)
        except Retry:
            raise
        except LiveUpdateError as error:
            blocked.append(f"{line.kind} {line.name} {line.cloud_id}".rstrip() + f": {error.detail}")
    if blocked:
        raise Failed(
            f"left behind: {'; '.join(blocked)}",
            code="live-update.clean-up.leftovers",
            remedy="delete what is named, or see to what keeps it; then ask for cleanup",
        )


def prove_nothing_left(context: StepContext) -> Json:
    """Close the lines that nothing is behind any more. Raises Failed, naming them, if others are open."""
    left = []
    for line in context.ledger.open():
        if exists(context, line):
            left.append(f"{line.kind} {line.name} {line.cloud_id}".rstrip())
        else:
            context.ledger.deleted(line)
    if left:
        raise Failed(
            f"left behind: {', '.join(left)}",
            code="live-update.clean-up.leftovers",
            remedy="delete what is named, or find out why it cannot be deleted, then retry the job",
        )
    return {"leftovers": []}


def exists(context: StepContext, line: Resource) -> bool:
    """Whether there is something behind the line; of a kind that is not known here nobody can say that it is gone."""
    return line.kind not in KINDS or KINDS[line.kind].find(context, line) is not None


def wait(
    context: Hands,
    look: Callable[[], T | None],
    what: str,
    *,
    watch: Callable[[], Watch | None] = lambda: None,
    patience: float = PATIENCE,
) -> T:
    """What ``look`` finds, once it finds something; raises Retry (which parks the job) when it takes long."""
    end = time.monotonic() + patience
    while (found := look()) is None:
        if time.monotonic() >= end:
            raise Retry(2.0, f"waits for {what}", watch=watch(), counts=False)
        context.checkpoint()
        time.sleep(_INTERVAL)
    return found


def watch_server(cloud: "Cloud", server_id: str) -> Watch | None:
    server = cloud.servers.get(server_id)
    return Watch("server", server_id, server.state) if server else None


def _watch(context: Hands, line: Resource, found: str) -> Callable[[], Watch | None]:
    if line.kind != "server":
        return lambda: None
    return lambda: watch_server(context.service_cloud(), found)


# -- the kinds ---------------------------------------------------------------------------------------------------------


def mark(line: Resource) -> str:
    """What a server's tag or a port's description says."""
    return marks.line(line.job_id, line.role)


class _Found(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def status(self) -> str: ...


class _Marked(Protocol):
    """What Cinder or Glance keeps, with the job's id and role in its metadata."""

    def get(self, identifier: str, /) -> _Found | None: ...

    def find(self, name: str, job_id: str, role: str) -> _Found | None: ...

    def delete(self, identifier: str, /) -> None: ...


def _marked(of: Callable[["Cloud"], _Marked], seen: Callable[["Inventory"], Iterable[Sighting]]) -> Kind:
    def find(context: Hands, line: Resource) -> str | None:
        them = of(context.user_cloud())
        found = them.get(line.cloud_id) if line.cloud_id else them.find(line.name, line.job_id, line.role)
        return found.id if found else None

    def remove(context: Hands, line: Resource, found: str) -> None:
        them = of(context.user_cloud())
        there = them.get(found)
        # a step that was parked while it went comes back here, and Cinder refuses to delete what is being deleted
        if there is not None and there.status != "deleting":
            them.delete(found)

    return Kind(find, remove, seen)


def _server(context: Hands, line: Resource) -> str | None:
    servers = context.user_cloud().servers
    found = servers.get(line.cloud_id) if line.cloud_id else servers.by_tag(mark(line))
    return found.id if found and found.status != "DELETED" else None


def _port(context: Hands, line: Resource) -> str | None:
    ports = context.user_cloud().ports
    found = ports.get(line.cloud_id) if line.cloud_id else ports.find(line.name, mark(line))
    return found.id if found else None


def _lock(context: Hands, line: Resource) -> str | None:
    server = context.service_cloud().servers.get(line.details["server_id"])
    ours = server is not None and server.locked and server.locked_reason == marks.lock_reason(line.job_id)
    return server.id if server and ours else None


def _attachment(context: Hands, line: Resource) -> str | None:
    """A line's ``details``: {"server_id", "volume_id"}. Its id is the volume's, as in Nova."""
    attached = context.service_cloud().servers.volumes(line.details["server_id"])
    return next((a.volume_id for a in attached if a.volume_id == line.details["volume_id"]), None)


def _detach(context: Hands, line: Resource, volume_id: str) -> None:
    """As the service user: of a locked server only an administrator may take a volume."""
    cloud = context.service_cloud()
    volume = cloud.volumes.get(volume_id)
    if volume and volume.status in ("reserved", "attaching", "detaching"):
        raise Retry(1.0, f"volume {volume_id} is {volume.status}", counts=False)
    cloud.servers.detach_volume(line.details["server_id"], volume_id)


def _guest_attachment(context: Hands, line: Resource) -> str | None:
    """A line's ``details``: {"server_id", "volume_id"}. Nova knows nothing of it, and its id is Cinder's."""
    made = context.service_cloud().attachments.of_server(line.details["server_id"])
    novas = {a.volume_id for a in context.service_cloud().servers.volumes(line.details["server_id"])}
    wanted = line.details["volume_id"]
    return next((a.id for a in made if a.volume_id == wanted and a.volume_id not in novas), None)


def _address_pair(context: Hands, line: Resource) -> str | None:
    """A line's ``details``: {"port_id", "address"}."""
    port = context.service_cloud().ports.get(line.details["port_id"])
    return port.id if port and line.details["address"] in port.allowed else None


def _migration(context: Hands, line: Resource) -> str | None:
    """A line's ``details``: {"server_id", "name", "from", "to"}. It is there as long as Nova is at it."""
    server = context.service_cloud().servers.get(line.details["server_id"])
    return server.id if server and server.status == "MIGRATING" else None


def _trust(context: Hands, line: Resource) -> str | None:
    """No line of a ledger: a job has its trust in its own row, and the reaper takes it away (worker/reaper.py)."""
    return context.service_cloud().trusts.get(line.cloud_id)


KINDS: Mapping[str, Kind] = {
    "server": Kind(_server, lambda c, line, found: c.user_cloud().servers.delete(found), sightings.servers),
    "volume": _marked(lambda cloud: cloud.volumes, sightings.volumes),
    "snapshot": _marked(lambda cloud: cloud.snapshots, sightings.snapshots),
    "backup": _marked(lambda cloud: cloud.backups, sightings.backups),
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
