"""Copy memory and files ahead while the workload runs, from guest to guest, until little is left for the blackout.

The original gets its temporary management address first: the way to reach it once its own address is silent. Undo:
the copies, the link and that address go; nothing of the workload was touched.
"""

import time
from contextlib import suppress
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed, GuestError, LiveUpdateError, Retry
from liveupdate.model import Handover, Json
from liveupdate.planning import inside, intent, move
from liveupdate.planning.estimate import HANDED_OVER
from liveupdate.planning.move import Sides
from liveupdate.steps.gone import require_surrogate, started, unless_gone
from liveupdate.steps.path_events import path_events
from liveupdate.steps.probe import stopped
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import instead, original_port
from liveupdate.steps.server_facts import SERIAL

_ROUNDS = 6
#: A round that leaves more than this part of the estimate before it is not worth another.
_WORTHWHILE = 0.8
#: Seconds for one round: the first one copies everything.
_ROUND = 1800.0
#: Seconds between looks at the guests while they copy, and in which each must say how it goes. Slow ones take twenty.
_LOOK, _SILENCE = 10.0, 60.0
SILENT = "live-update.pre-copy.silent"
#: Seconds until a workload that was too busy is tried again.
_POSTPONE = 120.0


def probe(context: StepContext) -> Probe:
    """Copies grow old: they are made again, which is quick when they are there."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    sides = move.sides(context.spec.parameters)
    if sides.target == "surrogate":
        # first of all: nobody may take it for idle any more
        context.service_cloud().servers.remove_tag(context.result("provision")["server_id"], marks.IDLE)
    else:
        require_surrogate(context)
        started(context)
    _reach(context)
    _connect(context)
    _prepare(context, sides)
    rounds = _rounds(context, sides)
    preflight = context.result("preflight")
    estimate = rounds[-1]["estimate_ms"] + HANDED_OVER * len(move.handed_over(preflight))
    asked = intent.budget(intent.words(preflight.get("server", {})), context.job.parameters)
    budget = 1000 * float(context.settings.surrogate.budget if asked is None else asked)
    # a workload that is asked back is not refused
    if estimate > budget and sides.source == "original":
        told = f"the blackout would be {estimate / 1000:.1f} s, more than the budget of {budget / 1000:.1f} s"
        if context.job.parameters.get("on_budget") == "postpone":
            raise Retry(_POSTPONE, f"{told}: postponed", counts=False)
        raise Failed(
            told,
            user_fault=True,
            code="live-update.pre-copy.over-budget",
            remedy="try when the workload is quieter, raise the budget, or hand busy units over by restart",
        )
    return {
        "rounds": rounds,
        "bytes": sum(r["bytes"] for r in rounds),
        "estimate_ms": estimate,
        "path_events": path_events(context, "original", "surrogate"),
    }


def undo(context: StepContext) -> None:
    sides = move.sides(context.spec.parameters)
    with suppress(GuestError):  # a target that does not answer, or was stopped, goes as a whole
        context.guest(sides.target).agent().call("finish")
    if sides.source == "surrogate":
        _leave_surrogate(context)
        return
    with unless_gone(context):
        _leave_original(context)


def _leave_surrogate(context: StepContext) -> None:
    """One that is silent does not keep the job from being in hold again, which tells of it: the next move back prepares
    it anew, and what ends the job cleans it up."""
    try:
        context.guest("surrogate").agent().call("finish")
    except GuestError as error:
        if not error.code.startswith("live-update.guest."):
            raise
        context.event("progress", text=f"the surrogate does not answer ({error.code}): it is left as it is")


def _leave_original(context: StepContext) -> None:
    """No in-guest program, and the address and the storage as they were."""
    context.guest("original").agent().call("finish")
    original = context.guest("original")
    if portals := inside.portals(context.result("preflight")):
        own = original_port(context)["address"]
        try:
            original.oneshot("storage_source", {"portals": portals, "address": own, "routed": False})
        except GuestError as error:
            # sessions that are down for another reason come back by themselves, or not, as they did before
            if error.code != "guest.session-stuck":
                raise
    original.oneshot("management_down", _management(context))
    # that address goes now; the next look is by the original's own
    original.close()
    context.guest("original").remove_agent()


def _reach(context: StepContext) -> None:
    """The temporary address is up, and the original answers there with the host key it is known by."""
    address = _management(context)
    if context.guest("original").address != address["address"]:
        context.guest("original").oneshot("management_up", address)
    guest = context.guest("original")
    if guest.address != address["address"] or not guest.reachable():
        raise Retry(
            2.0,
            f"the original does not answer on its management address {address['address']} yet",
            code="live-update.guest.no-management",
            remedy="see the original's console and its network, then try again",
        )
    if portals := inside.portals(context.result("preflight")):
        # its storage must not fall silent together with its own address
        guest.oneshot("storage_source", {"portals": portals, "address": address["address"], "routed": True})


def _connect(context: StepContext) -> None:
    original, surrogate = context.guest("original").agent(), context.guest("surrogate").agent()
    # one that was restarted has no link any more, and the other may not know yet
    if all(agent.call("status").get("linked") for agent in (original, surrogate)):
        return
    own = context.result("reserve_port")["surrogate"]["address"]
    key = original.call("keygen")["public_key"]
    port = surrogate.call("listen", address=own, public_key=key)["port"]
    known, bind = context.result("preflight")["host_key"], _management(context)["address"]
    told = original.call("connect", timeout=120, address=own, port=port, host_key=known, bind=bind)
    context.event("progress", text=f"the guests are linked, their clocks differ by {told['clock_offset']:.3f} s")


def _prepare(context: StepContext, sides: Sides) -> None:
    settings = context.settings.surrogate
    began, known = _since(context, sides), {**context.result("preflight"), "units": _units(context, sides)}
    for role, side in (("target", sides.target), ("source", sides.source)):
        described = move.describe(
            side,
            context.job.id,
            known,
            context.result("reserve_port"),
            context.job.parameters,
            since=began[side],
            dead_man=settings.dead_man,
            open_within=settings.open_within,
            devices=context.result("connect").get("devices", {}) if side == "surrogate" else {},
            serials=_serials(context, side),
        )
        context.guest(side).agent().call("prepare", timeout=180, role=role, move=described)


def _serials(context: StepContext, side: str) -> dict[str, str]:
    """By which each machine knows its copy of the boot set's volumes."""
    return {old: (new if side == "surrogate" else old)[:SERIAL] for old, new in instead(context).items()}


def _units(context: StepContext, sides: Sides) -> list[dict[str, Any]]:
    """What becomes of each. A unit that does not run on a surrogate that was restarted in hold, say, has no memory to
    be moved back: the original starts it anew, with the files and the volumes as they are."""
    units: list[dict[str, Any]] = context.result("preflight")["units"]
    if sides.source == "original":
        return units
    moved = [unit["name"] for unit in units if unit["handover"] == Handover.MOVE]
    if down := stopped(context, sides.source, moved):
        context.event("progress", text=f"not running on the surrogate, to be started anew: {', '.join(down)}")
    return [{**unit, "handover": Handover.RESTART} if unit["name"] in down else unit for unit in units]


def _since(context: StepContext, sides: Sides) -> dict[str, float]:
    """From when on a file's change counts, by side: since the disk was copied; on the way back since the move."""
    if sides.source == "original":
        mirror = context.result("mirror")
        # a copy that takes its time has what the original wrote until it was over; an older release told no such end
        return {"original": float(mirror["since"]), "surrogate": float(mirror.get("until", mirror["since"]))}
    moved = context.result("cut_over")
    return {"original": float(moved["left_at"]), "surrogate": float(moved["arrived_at"])}


def _rounds(context: StepContext, sides: Sides) -> list[dict[str, Any]]:
    rounds: list[dict[str, Any]] = []
    while len(rounds) < _ROUNDS:
        context.checkpoint()
        told = _round(context, sides)
        rounds.append({key: told[key] for key in ("round", "bytes", "seconds", "estimate_ms")})
        context.event("progress", text=f"copied {told['bytes'] / 1e6:.1f} MB in {told['seconds']:.1f} s")
        if len(rounds) > 1 and told["estimate_ms"] > _WORTHWHILE * rounds[-2]["estimate_ms"]:
            break
    return rounds


def _round(context: StepContext, sides: Sides) -> dict[str, Any]:
    """One round's figures. A guest whose kernel lives, and whose programs do not, is not waited for till its end."""
    agents = {side: context.guest(side).agent() for side in (sides.source, sides.target)}
    look = agents[sides.source].send("precopy")
    end = time.monotonic() + _ROUND
    while time.monotonic() < end:
        if (told := look(_LOOK)) is not None:
            return told
        for side, agent in agents.items():
            try:
                agent.call("status", timeout=_SILENCE)
            except GuestError as error:
                raise _silent(context, side, error) from error
    raise Failed(
        f"a round of copies did not end in {_ROUND:.0f} s",
        code="live-update.pre-copy.too-slow",
        remedy="see the load of both guests and of the network between them, then try again",
    )


def _silent(context: StepContext, side: str, error: GuestError) -> LiveUpdateError:
    """Once, it may pass: the copies are made again, which is quick where they are there."""
    told = f"the {side} does not say any more how it goes: {error.detail}"
    remedy = f"see the {side}'s console, its memory and its load (unit liveupdate-agent), then try again"
    if context.attempt > 1:
        return Failed(told, code=SILENT, remedy=remedy)
    return Retry(_LOOK, told, code=SILENT, remedy=remedy)


def _management(context: StepContext) -> dict[str, Any]:
    port, reserved = original_port(context), context.result("reserve_port")
    known = reserved["original_management"]
    return {"mac": port["mac"], "address": known["address"], "prefix": known["prefix"]}


STEP = Step("pre_copy", "Copy memory and files ahead", probe, apply, undo, timeout=7200)
