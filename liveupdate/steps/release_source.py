"""Leave the server alone: the guard and all that served the copying go from it and from its volumes.

The lock stays until the job's end: it keeps the server, and with it the way to undo, as they are.
Undo: nothing; the steps before it take away what is still there.
"""

from liveupdate.model import Json
from liveupdate.steps.copy_volumes import roles
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import unmake


def probe(context: StepContext) -> Probe:
    """Once more costs less than looking whether nothing is left."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    guest = context.guest("original")
    guest.oneshot("guard_remove", {})
    guest.remove_agent()
    for role in roles(context):
        unmake(context, "snapshot", role)
    return {}


def undo(context: StepContext) -> None:
    """There is nothing to put back."""


STEP = Step("release_source", "Leave the server alone", probe, apply, undo)
