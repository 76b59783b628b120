"""Lift the fence: the point of no return. From the first acknowledged write on, going back would lose it.

No undo: before it, cut_over's takes everything back; after it, the workload can only be moved back, live.
"""

import time
from typing import Any

from liveupdate.errors import Failed, GuestError
from liveupdate.model import Json
from liveupdate.planning import move
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

#: Seconds for the word of the target to reach the source, whose clock measures the blackout.
_WORD = 5.0


def probe(context: StepContext) -> Probe:
    sides = move.sides(context.spec.parameters)
    told = context.guest(sides.target).agent().call("status", timeout=15)
    if told.get("role") == "target" and told.get("phase") == "opened":
        return Probe(True, _result(context, sides, _opened_at(told)))
    return NOT_DONE


def apply(context: StepContext) -> Json:
    sides = move.sides(context.spec.parameters)
    try:
        agent = context.guest(sides.target).agent()
        agent.call("open", timeout=30)
        opened_at = _opened_at(agent.call("status", timeout=15))
    except GuestError as error:
        if error.code == "guest.window-passed":
            raise Failed(
                f"too late to open: {error.detail}",
                code="live-update.open.window-passed",
                remedy="try again; raise [surrogate] open_within if the health checks take long",
            ) from None
        raise
    return _result(context, sides, opened_at)


def undo(context: StepContext) -> None:
    """Only called when probe has seen it closed."""


def _opened_at(told: dict[str, Any]) -> float:
    """By the target's clock, seconds since 1970."""
    return next((float(p["realtime"]) for p in told.get("phases", ()) if p["name"] == "opened"), 0.0)


def _result(context: StepContext, sides: move.Sides, opened_at: float) -> dict[str, Any]:
    """The blackout as the source measured it; None if the target's word never reached it."""
    end = time.monotonic() + _WORD
    told: dict[str, Any] = {}
    try:
        while time.monotonic() < end:
            told = context.guest(sides.source).agent().call("status", timeout=15)
            if told.get("phase") == "opened":
                break
            time.sleep(0.05)
    except GuestError:
        # the workload does not need the source any more
        pass
    opened = told.get("phase") == "opened"
    result = {
        "blackout_ms": told.get("blackout_ms") if opened else None,
        "timeline": told.get("timeline", []),
        "opened_at": opened_at,
    }
    context.event("blackout.ended", on=sides.target, blackout_ms=result["blackout_ms"])
    return result


STEP = Step("open", "Open to clients", probe, apply, undo, attempts=3)
