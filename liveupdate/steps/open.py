"""Lift the fence: the point of no return. From the first acknowledged write on, going back would lose it.

No undo: before it, cut_over's takes everything back; after it, the workload can only be moved back, live.
"""

import time
from typing import Any

from liveupdate.errors import Failed, GuestError, Unknown
from liveupdate.guest import places
from liveupdate.model import Json
from liveupdate.planning import move
from liveupdate.steps.gone import is_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

#: While this exists in a guest, a boot starts the workload there: written before its fence is lifted.
_HERE = f"{places.GUARD}/here"
#: Seconds for the word of the target to reach the source, whose clock measures the blackout.
_WORD = 5.0
#: Seconds after its window in which a target that only the worker cannot reach has handed back.
_HANDED_BACK = 15.0


def probe(context: StepContext) -> Probe:
    """The target knows. If it was restarted, its disk does. If it is silent, the source does if it has heard of it, or
    has resumed. If there is no such server any more, nobody serves there. Else: Unknown.
    """
    sides = move.sides(context.spec.parameters)
    end = time.monotonic() + context.settings.surrogate.open_within + _HANDED_BACK
    while True:
        target = _told(context, sides.target)
        if target.get("role") == "target":
            done = target["phase"] == "opened"
            return Probe(True, _result(context, sides, target)) if done else NOT_DONE
        if target and context.guest(sides.target).run(["test", "-e", _HERE], check=False).code == 0:
            return Probe(True, _result(context, sides, target))
        if target:
            return NOT_DONE
        source = _told(context, sides.source)
        if source.get("role") == "source" and source["phase"] == "opened":
            return Probe(True, _result(context, sides, source))
        if source.get("role") == "source" and source["phase"] != "granted":
            return NOT_DONE
        if is_gone(context, sides.target):
            return NOT_DONE
        if time.monotonic() > end:
            raise Unknown(
                f"the {sides.target} does not tell whether it serves",
                code="live-update.open.silent",
                remedy=f"see to the {sides.target} and its journal (unit liveupdate-agent), then retry the job",
            )
        context.checkpoint()
        time.sleep(1)


def apply(context: StepContext) -> Json:
    sides = move.sides(context.spec.parameters)
    try:
        agent = context.guest(sides.target).agent()
        agent.call("open", timeout=30)
        seen = agent.call("status", timeout=15)
    except GuestError as error:
        # the latter: it has been restarted since
        if error.code in ("guest.window-passed", "guest.wrong-role"):
            raise Failed(
                f"too late to open: {error.detail}",
                code="live-update.open.window-passed",
                remedy="try again; raise [surrogate] open_within if the health checks take long",
            ) from None
        raise
    return _result(context, sides, seen)


def undo(context: StepContext) -> None:
    """Only called when probe has seen it closed."""


def _told(context: StepContext, side: str) -> dict[str, Any]:
    """The guest's status, {} if it does not answer."""
    try:
        status: dict[str, Any] = context.guest(side).agent().call("status", timeout=15)
    except GuestError:
        return {}
    return status


def _opened_at(told: dict[str, Any]) -> float:
    """By the guest's clock, seconds since 1970."""
    return next((float(p["realtime"]) for p in told.get("phases", ()) if p["name"] == "opened"), 0.0)


def _result(context: StepContext, sides: move.Sides, seen: dict[str, Any]) -> dict[str, Any]:
    """The blackout as the source measured it; None if the target's word never reached it. ``seen``: whose word it is
    that it has been opened."""
    end = time.monotonic() + _WORD
    # the workload does not need the source any more: it may be silent
    while (told := _told(context, sides.source)) and told.get("phase") != "opened" and time.monotonic() < end:
        time.sleep(0.05)
    opened = told.get("phase") == "opened"
    result = {
        "blackout_ms": told.get("blackout_ms") if opened else None,
        "timeline": told.get("timeline", []),
        "opened_at": _opened_at(seen),
        # of the boot in which it was opened: later ones are noticed (hold)
        "boot_id": seen.get("boot_id", "") if seen.get("role") == "target" else "",
    }
    context.event("blackout.ended", on=sides.target, blackout_ms=result["blackout_ms"])
    return result


STEP = Step("open", "Open to clients", probe, apply, undo, attempts=3)
