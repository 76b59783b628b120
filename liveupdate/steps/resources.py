"""Cloud objects by the ledger's rule: intent, act, record; found again after a crash, and taken away wholly.

How each kind of them is found and taken away: kinds.py.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from liveupdate import lease
from liveupdate.errors import Failed, LeaseLost, LiveUpdateError, Retry, Watch
from liveupdate.model import Json, Resource
from liveupdate.states import ResourceState
from liveupdate.steps.kinds import KINDS, Found, Hands
from liveupdate.steps.protocol import StepContext

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.servers import Server

T = TypeVar("T")

#: Seconds that a short wait (a volume from a snapshot: half a second) is sat out; after that the job is parked.
PATIENCE = 5.0
_INTERVAL = 0.2
#: Seconds until something is deleted again that could not be.
_AGAIN = 10.0
#: Seconds that an outlived worker waits for its successor to record what it makes.
_SUCCESSION = 120.0


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
    made = create(line) if found is None else found.id
    if line.state == ResourceState.INTENDED:
        record(context, line, made)
    return made


def record(context: StepContext, line: Resource, made: str, details: Json | None = None) -> Resource:
    """Write down what was made. A worker that was outlived takes it away again, unless its successor has it."""
    try:
        return context.ledger.created(line, made, details)
    except LeaseLost:
        disown(context, line, made)
        raise


def disown(context: StepContext, line: Resource, made: str) -> None:
    """Of a worker that was outlived: what it has made since goes again, unless its successor has it."""
    if not _adopted(context, line, made):
        # nobody else knows of it: no lease is needed for that
        with lease.held(None):
            _remove(context, replace(line, cloud_id=made))


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
    found = KINDS[kind].find(context, line)
    return found.id if found else None


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
    if (found := _remove(hands, line)) is not None:
        is_gone, what = partial(_gone, hands, line), f"{line.kind} {line.name} to be gone"
        wait(hands, is_gone, what, watch=_watch(hands, line, found.id))


def _gone(hands: Hands, line: Resource) -> bool | None:
    found = KINDS[line.kind].find(hands, line)
    if found is not None and found.stuck:
        raise Retry(
            _AGAIN,
            f"{line.kind} {line.name} ({found.id}) could not be deleted",
            code="live-update.cloud.not-deleted",
            remedy="see the log of cinder-volume, then ask for cleanup",
        )
    return None if found else True


def _remove(hands: Hands, line: Resource) -> Found | None:
    """What there is to be seen gone. A step that was parked while it went comes back here."""
    way = KINDS[line.kind]
    found = way.find(hands, line)
    if found is not None and not found.going:
        way.take(hands, line, found)
    return found


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
    hands: Hands,
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
        hands.checkpoint()
        time.sleep(_INTERVAL)
    return found


def see_active(server: "Server", name: str) -> None:
    """Raises Retry as long as the server is not ACTIVE. ``name``: for people."""
    if server.status != "ACTIVE":
        watch = Watch("server", server.id, server.state)
        raise Retry(2.0, f"waits for {name} to be ACTIVE: {server.state}", watch=watch, counts=False)


def watch_server(cloud: "Cloud", server_id: str) -> Watch | None:
    server = cloud.servers.get(server_id)
    return Watch("server", server_id, server.state) if server else None


def _watch(hands: Hands, line: Resource, found: str) -> Callable[[], Watch | None]:
    if line.kind != "server":
        return lambda: None
    return lambda: watch_server(hands.service_cloud(), found)
