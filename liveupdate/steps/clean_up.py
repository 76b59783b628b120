"""Take away what only served the update, and prove by the ledger that nothing else is left.

The in-guest program and what it made go first, then the mirror's snapshots. The fallback stays for its days, unless
the job says 0 (docs/decisions/0001). Whatever line of the ledger is open after that is a leftover: named, not hidden.
After the pivot, hence no undo. The job's trust ends with the job (worker/reaper.py).
"""

from liveupdate.drivers.cloud.errors import CONFLICT
from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.steps import fallback, mirror
from liveupdate.steps.attach import surrogate_paths
from liveupdate.steps.connect import good_paths
from liveupdate.steps.path_events import path_events
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import prove_nothing_left, unmake
from liveupdate.steps.update import PLACE


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    guest = context.guest("surrogate")
    seen = {
        "host_paths": surrogate_paths(context),
        "guest_paths": good_paths(context, "surrogate"),
        "path_events": path_events(context, "surrogate"),
    }
    guest.run(["rm", "-rf", PLACE])
    guest.agent().call("finish")
    guest.remove_agent()
    for role in mirror.roles(context):
        unmake(context, "snapshot", role)
    _give_up_image(context)
    fallback.finish(context)
    return {**prove_nothing_left(context), **seen}


def _give_up_image(context: StepContext) -> None:
    """The mirror's image, unless Glance keeps it for the server's sake: its disk is a clone (docs/decisions/0012)."""
    try:
        unmake(context, "image", "mirror")
    except Retry as refused:
        line = context.ledger.find("image", "mirror")
        if refused.code != CONFLICT or line is None:
            raise
        context.event("mirror.image_kept", image=line.cloud_id, reason=refused.detail)
        context.ledger.kept(line)


def undo(context: StepContext) -> None:
    """What served the update only is of no use to what was before it."""


STEP = Step("clean_up", "Clean up", probe, apply, undo)
