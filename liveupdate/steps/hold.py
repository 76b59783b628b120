"""Watch the workload for its soak time, and wait for the operator's word if the job asks for it.

Nobody is held up: the job is parked between looks. Until this step is done the workload can be moved back. Undo:
nothing.
"""

from typing import Any

from liveupdate.errors import GuestError, Retry
from liveupdate.model import Json
from liveupdate.steps.connect import good_paths
from liveupdate.steps.path_events import path_events
from liveupdate.steps.probe import not_well
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext

_LOOK = 5.0


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    if context.job.decision == "confirm":
        return {"confirmed": True, **_paths(context)}
    asked = context.job.parameters
    soak, confirm = float(asked.get("soak_seconds") or 0), bool(asked.get("confirm"))
    if not soak and not confirm:
        return {"confirmed": False, **_paths(context)}
    served, sick = _look(context)
    if sick:
        raise Retry(_LOOK, f"not well: {'; '.join(sick)}: roll back, or confirm", counts=False)
    if served < soak:
        raise Retry(min(_LOOK, soak - served), f"watches the workload, {soak - served:.0f} s more", counts=False)
    if confirm:
        raise Retry(_LOOK, "waits for the operator to confirm, or to roll back", counts=False)
    return {"confirmed": False, "soaked_seconds": round(served), **_paths(context)}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


def _look(context: StepContext) -> tuple[float, list[str]]:
    """Seconds since the workload was opened, and what is wrong with it."""
    try:
        agent = context.guest("surrogate").agent()
        status: dict[str, Any] = agent.call("status", timeout=15)
        served = float(status["now"]) - float(context.result("open")["opened_at"])
        return served, not_well(agent.call("probe", timeout=60))
    except (GuestError, KeyError) as error:
        return 0.0, [f"the surrogate does not tell: {getattr(error, 'code', type(error).__name__)}"]


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
