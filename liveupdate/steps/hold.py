"""Watch the workload for its soak time, and wait for the operator's word if the job asks for it.

Nobody is held up: the job is parked between looks. Until this step is done the workload can be moved back. A surrogate
that is not well, was restarted, has lost its program or is silent keeps the job here, until the operator has said what
to do. Undo: nothing.
"""

from typing import Any

from liveupdate.errors import GuestError, LiveUpdateError, Lost, Retry
from liveupdate.model import Json
from liveupdate.steps.connect import good_paths
from liveupdate.steps.gone import require_surrogate
from liveupdate.steps.path_events import path_events
from liveupdate.steps.probe import not_well
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

_LOOK = 5.0
#: Seconds for the guest to answer; slow ones take twenty.
_ANSWER = 60.0


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    if context.job.decision == "confirm":
        return {"confirmed": True, **_paths(context)}
    asked = context.job.parameters
    soak, confirm = float(asked.get("soak_seconds") or 0), bool(asked.get("confirm"))
    if not soak and not confirm:
        return {"confirmed": False, **_paths(context)}
    served = _look(context)
    if served < soak:
        raise Retry(min(_LOOK, soak - served), f"watches the workload, {soak - served:.0f} s more", counts=False)
    if confirm:
        raise Retry(_LOOK, "waits for the operator to confirm, or to roll back", counts=False)
    return {"confirmed": False, "soaked_seconds": round(served), **_paths(context)}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _look(context: StepContext) -> float:
    """Seconds since the workload was opened. Raises Retry as long as something is wrong with it."""
    opened = context.result("open")
    try:
        agent = context.guest("surrogate").agent()
        status = agent.call("status", timeout=_ANSWER)
        if (before := opened.get("boot_id")) and (now := status.get("boot_id")) and before != now:
            raise _trouble(
                context,
                "the surrogate was restarted: what its units had in memory is lost",
                code="live-update.hold.restarted",
                remedy="see why (its console, Nova's log) and whether its units serve; then confirm, or roll back",
            )
        if status["role"] is None:
            raise _trouble(
                context,
                "the surrogate's program has been lost, or the surrogate was restarted",
                code="live-update.hold.forgotten",
                remedy="see its journal (liveupdate-agent) and whether its units serve; then confirm, or roll back",
            )
        if sick := not_well(agent.call("probe", timeout=_ANSWER)):
            raise _trouble(
                context,
                f"not well: {'; '.join(sick)}",
                code="live-update.hold.not-well",
                remedy="see the units' journal on the surrogate; then confirm, or roll back",
            )
        return float(status["now"]) - float(opened["opened_at"])
    except GuestError as error:
        _require_surrogate(context)
        raise _trouble(
            context,
            f"the surrogate does not tell: {error.code}",
            code="live-update.hold.silent",
            remedy="see its console and its network; if it comes back, the job goes on by itself",
        ) from error


def _require_surrogate(context: StepContext) -> None:
    """If Nova does not answer either, that is no word: it is looked again."""
    try:
        require_surrogate(context)
    except Lost:
        raise
    except LiveUpdateError:
        return


def _trouble(context: StepContext, told: str, *, code: str, remedy: str) -> Retry:
    waits = Retry(_LOOK, f"{told}: roll back, or confirm", counts=False, code=code, remedy=remedy)
    if waits.detail != context.job.reason:
        context.event("hold.trouble", code=code, reason=waits.detail, remedy=remedy)
    return waits


def _paths(context: StepContext) -> dict[str, Any]:
    """How the storage that the guest attaches itself has come through the cut-over."""
    if not context.result("connect").get("volumes"):
        return {}
    seen = good_paths(context, "surrogate")
    for volume_id, good in seen.items():
        expected = len(context.result("connect")["volumes"][volume_id]["targets"])
        if good < expected:
            context.event("path.degraded", on="surrogate", volume_id=volume_id, good=good, expected=expected)
    return {"guest_paths": seen, "path_events": path_events(context, "original", "surrogate")}


STEP = Step("hold", "Watch the workload, wait for the operator", probe, apply, undo, timeout=8 * 86400)
