"""Take away what only served the update, and prove by the ledger that nothing else is left.

The in-guest program and what it made go first, then the mirror's snapshot. The fallback stays for its days, unless
the job says 0 (docs/decisions/0001). Whatever line of the ledger is open after that is a leftover: named, not hidden.
After the pivot, hence no undo. The job's trust ends with the job (worker/reaper.py).
"""

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.steps import fallback
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import exists, unmake


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    guest = context.guest("surrogate")
    guest.agent().call("finish")
    guest.remove_agent()
    unmake(context, "snapshot", "mirror")
    fallback.keep(context) if fallback.days(context) else fallback.drop(context)
    if leftovers := _leftovers(context):
        raise Failed(
            f"left behind: {', '.join(leftovers)}",
            code="live-update.clean-up.leftovers",
            remedy="delete what is named, or find out why it cannot be deleted, then retry the job",
        )
    return {"leftovers": []}


def undo(context: StepContext) -> None:
    """What served the update only is of no use to what was before it."""


def _leftovers(context: StepContext) -> list[str]:
    left = []
    for line in context.ledger.open():
        if exists(context, line):
            left.append(f"{line.kind} {line.name} {line.cloud_id}".rstrip())
        else:
            context.ledger.deleted(line)
    return left


STEP = Step("clean_up", "Clean up", probe, apply, undo)
