"""The blackout: the source freezes and hands over, the target brings the workload up behind a fence.

The guests do it between themselves; the worker starts it, moves volumes that can be on one server only, and looks. Who
may go on when something is silent: before the grant the source resumes by itself; after it the source stays down until
the target says that it has stopped, or Nova has stopped the target. Undo: exactly that, then the source resumes from
its own images.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from liveupdate.errors import Failed, GuestError
from liveupdate.guest import places
from liveupdate.model import Json, Resource
from liveupdate.planning import move
from liveupdate.steps.attach import attached, require_paths
from liveupdate.steps.gone import is_gone, server_id, started
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import instead
from liveupdate.steps.resources import make, unmake, wait, watch_server

Status = dict[str, Any]

#: While this exists in a guest, a boot does not start the workload there.
_AWAY = f"{places.GUARD}/away"
_INTERVAL = 0.03
#: Seconds for Nova to stop a server: a guest that does not obey is given a minute. Parking the job would take longer.
_STOP = 90.0
#: Seconds in which a guest must answer when somebody waits for a decision.
_ANSWER = 15.0


def probe(context: StepContext) -> Probe:
    sides = move.sides(context.spec.parameters)
    try:
        target = _status(context, sides.target)
        if target["role"] == "target" and target["phase"] in ("ready", "opened"):
            return Probe(True, _result(_left(context, sides), target))
    except GuestError:
        # apply looks closer, and undo decides
        return NOT_DONE
    return NOT_DONE


def apply(context: StepContext) -> Json:
    sides = move.sides(context.spec.parameters)
    source = _status(context, sides.source)
    if source["phase"] not in ("prepared", "precopied"):
        return _follow(context, sides, lambda _: None)
    context.checkpoint()
    context.event("blackout.started")
    # it answers once it has granted; whoever comes after a crash of this worker finds it under way
    return _follow(context, sides, context.guest(sides.source).agent().send("cut_over"))


def undo(context: StepContext) -> None:
    sides = move.sides(context.spec.parameters)
    if (source := _source(context, sides)) is None:
        # nobody is left to resume: what matters is that the other one does not begin to serve
        _silence(context, sides)
        context.event("progress", text=f"the {sides.source} is gone, and its workload with it")
        return
    opened = source["phase"] == "opened" or bool(context.result(context.job.plan.pivot))
    # with the memory of a source that has missed the word that the target opened, too
    lost = sides.source == "original" and opened and is_gone(context, sides.target)
    if (lost or source["role"] is None) and _away(context, sides.source):
        raise _without_its_workload(context, sides, lost=lost)
    if source["role"] != "source" or source["phase"] in ("idle", "prepared", "precopied"):
        # one that was restarted before it let go has nothing to resume, and its volumes may have left
        if not all(attached_to(context, v, server_id(context, sides.source)) for v in _handed_over(context)):
            _brought_back(context, sides)
        return
    if source["phase"] == "opened":
        raise _serves_already()
    fenced = False
    if source["phase"] in ("granted", "frozen"):
        fenced = not _handed_back(context, sides)
    _bring_all(context, sides.target, sides.source)
    if source["phase"] != "resumed":
        context.guest(sides.source).agent().call("resume", timeout=180, fenced=fenced)
    seen = _status(context, sides.source)
    told = {"resumed": seen.get("resumed"), "blackout_ms": seen.get("blackout_ms")}
    context.event("blackout.ended", on=sides.source, **told)


def _source(context: StepContext, sides: move.Sides) -> Status | None:
    """The source's status, None if there is no such server any more."""
    try:
        return _status(context, sides.source)
    except GuestError:
        if is_gone(context, sides.source):
            return None
        if sides.source != "original" or not is_gone(context, sides.target):
            raise
    # it may have been stopped, to be released
    started(context)
    return _status(context, sides.source)


def _left(context: StepContext, sides: move.Sides) -> Status:
    """The source's status; of a surrogate that is gone since it gave the workload back, nothing is needed any more."""
    try:
        return _status(context, sides.source)
    except GuestError:
        if sides.source != "surrogate" or not is_gone(context, "surrogate"):
            raise
        return {"timeline": []}


def _follow(context: StepContext, sides: move.Sides, look: Callable[[float], object]) -> Json:
    """Until the target is ready. Raises Failed once the source has resumed, or may have to.

    ``look`` raises the GuestError that the source has ended with.
    """
    settings = context.settings.surrogate
    end = time.monotonic() + settings.dead_man + settings.open_within
    brought = False
    while time.monotonic() < end:
        try:
            look(0)
        except GuestError as error:
            if not error.code.startswith("guest."):
                # not the program's word
                raise
            raise _failure({"code": error.code, "detail": error.detail, "remedy": error.remedy}, "") from error
        source = _status(context, sides.source)
        if not brought and source["phase"] == "frozen" and any(e["name"] == "unmounted" for e in source["timeline"]):
            _bring_all(context, sides.source, sides.target)
            brought = True
        if source["phase"] in ("granted", "opened"):
            target = _status(context, sides.target)
            if target["phase"] in ("ready", "opened"):
                return _result(source, target)
            if target["phase"] in ("returned", "failed"):
                raise _failure(target.get("returned") or {}, "the target could not bring the workload up")
        if source["phase"] in ("resumed", "failed", "idle"):
            raise _failure(source.get("failure") or {}, "the source has resumed by itself")
        time.sleep(_INTERVAL)
    raise _failure({}, "the cut-over did not end in time")


def _failure(told: dict[str, Any], otherwise: str) -> Failed:
    return Failed(
        str(told.get("detail") or otherwise)[:2000],
        code=f"live-update.cut-over.{str(told.get('code') or 'guest.failed').removeprefix('guest.')}"[:100],
        remedy=str(told.get("remedy") or "see the guests' journal (unit liveupdate-agent), then try again"),
    )


def _serves_already() -> Failed:
    return Failed(
        "the target serves already", code="live-update.cut-over.opened", remedy="move the workload back instead"
    )


def _away(context: StepContext, side: str) -> bool:
    return context.guest(side).run(["test", "-e", _AWAY], check=False).code == 0


def _without_its_workload(context: StepContext, sides: move.Sides, *, lost: bool) -> Failed:
    """The source has no images that it may go on from, and the guard keeps it silent. The target must be, too, before
    it starts anew."""
    _brought_back(context, sides)
    first = _first(context) if lost else ()
    why = f"the {sides.target} is gone" if lost else f"the {sides.source} was restarted"
    code = "live-update.cut-over.lost-while-away" if lost else "live-update.cut-over.restarted-while-away"
    return Failed(
        f"{why} while the workload was away from the {sides.source}, which has not started it",
        code=code,
        remedy=" ".join((*first, *_start(context, sides.source), "then retry the job")),
    )


def _first(context: StepContext) -> Iterator[str]:
    """What to see to before a workload starts anew whose surrogate is gone."""
    made = context.result("provision")
    yield f"see that {made['server_id']} does not run on {made.get('host') or 'its host'} any more;"
    if copies := ", ".join(sorted(instead(context).values())):
        yield f"what it wrote since is on {copies}, which goes with this job: save what is needed;"


def _start(context: StepContext, side: str) -> Iterator[str]:
    # at a reboot of its own, Nova deletes the attachments that it has not made: those of the guest's iSCSI volumes
    if side == "original":
        here = context.result("reserve_port")["original_management"]
        yield f"on the original: rm {_AWAY}, reboot it from inside, and ip address add"
        yield f"{here['address']}/{here['prefix']} dev <its interface>, by which the worker reaches it;"
    else:
        yield f"on the surrogate: mv {_AWAY} {places.GUARD}/here, bring its units and addresses up;"


def _handed_back(context: StepContext, sides: move.Sides) -> bool:
    """The target has stopped everything, by its own word. False: it has been stopped through Nova."""
    try:
        target = _status(context, sides.target)
        if target["phase"] == "opened":
            raise _serves_already()
        if target["phase"] not in ("returned", "failed"):
            target = context.guest(sides.target).agent().call("hand_back", timeout=120)
        if target["phase"] == "returned":
            return True
    except GuestError as error:
        context.event("progress", text=f"the target does not answer ({error.code}): Nova sees that it does not run")
    _fence(context, sides.target)
    return False


def _silence(context: StepContext, sides: move.Sides) -> None:
    """The target does not serve, and will not, where the source has nothing to resume from."""
    with suppress(GuestError):
        target = _status(context, sides.target)
        if (target["role"], target["phase"]) == ("source", "opened"):
            # the workload has left it again. To a source that has granted, this is no word to resume upon
            return
    _handed_back(context, sides)


def _fence(context: StepContext, side: str) -> None:
    """Stop the server, and see it stopped: nothing on it can answer or write afterwards."""
    known, servers = server_id(context, side), context.service_cloud().servers
    server = servers.get(known)
    if server is None or server.status == "SHUTOFF":
        return
    if not server.task_state:
        servers.stop(server.id)

    def stopped() -> bool | None:
        now = servers.get(known)
        return True if now is None or now.status == "SHUTOFF" else None

    watch = partial(watch_server, context.service_cloud(), known)
    wait(context, stopped, "the target to be stopped", watch=watch, patience=_STOP)


# -- volumes that can be on one server only ----------------------------------------------------------------------------


def _handed_over(context: StepContext) -> Sequence[str]:
    return move.handed_over(context.result("preflight"))


def _brought_back(context: StepContext, sides: move.Sides) -> None:
    """To a source that has lost its images, from a target that is silent."""
    _silence(context, sides)
    _bring_all(context, sides.target, sides.source)


def _bring_all(context: StepContext, giver: str, taker: str) -> None:
    for volume in _handed_over(context):
        _bring(context, volume, giver, taker)


def _bring(context: StepContext, volume_id: str, giver: str, taker: str) -> None:
    """Detach from one server and attach to the other; what is done is not done again."""
    cloud, role, there = context.service_cloud(), f"{{}}-{volume_id[:8]}", server_id(context, taker)
    if context.ledger.find("attachment", role.format(giver)):
        unmake(context, "attachment", role.format(giver))
    elif volume_id in {a.volume_id for a in cloud.servers.volumes(server_id(context, giver))}:
        cloud.servers.detach_volume(server_id(context, giver), volume_id)
    wait(context, lambda: _available(context, volume_id) or attached_to(context, volume_id, there), "the volume")

    def create(line: Resource) -> str:
        cloud.servers.attach_volume(there, volume_id)
        return volume_id

    details = {"server_id": there, "volume_id": volume_id}
    if taker == "surrogate":
        make(context, "attachment", role.format(taker), create, details)
        wait(context, lambda: attached(context, volume_id) or None, "the volume to be attached")
        require_paths(context)
        return
    # where it was before: nothing that the ledger would have to take away
    if not attached_to(context, volume_id, there):
        cloud.servers.attach_volume(there, volume_id)
    wait(context, lambda: attached_to(context, volume_id, there), "the volume to be attached again")


def _available(context: StepContext, volume_id: str) -> bool | None:
    volume = context.service_cloud().volumes.get(volume_id)
    if volume is None:
        raise Failed(
            f"volume {volume_id} is gone: it was deleted on its way between the servers",
            code="live-update.volume.gone",
            remedy="see who deleted it; what the workload had on it must come from a backup",
        )
    return True if volume.status == "available" else None


def attached_to(context: StepContext, volume_id: str, server: str) -> bool | None:
    volume = context.service_cloud().volumes.get(volume_id)
    return True if volume and volume.status == "in-use" and server in volume.servers else None


def _status(context: StepContext, side: str) -> Status:
    status: Status = context.guest(side).agent().call("status", timeout=_ANSWER)
    return {"role": None, "phase": "idle", "timeline": [], **status}


def _result(source: Status, target: Status) -> dict[str, Any]:
    """With the moments, each by the clock of its machine, from which files count on a way back."""
    # until it was granted, what the workload wrote there was still carried over
    left = [p["realtime"] for p in source.get("phases", ()) if p["name"] == "granted"]
    arrived = [p["realtime"] for p in target.get("phases", ()) if p["name"] == "granted"]
    return {
        "timeline": source["timeline"],
        "bytes": source.get("bytes", 0),
        "left_at": left[-1] if left else 0,
        "arrived_at": arrived[-1] if arrived else 0,
    }


STEP = Step("cut_over", "Cut over", probe, apply, undo, attempts=1, timeout=1800)
