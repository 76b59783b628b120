"""Take away what only served the update, and prove by the ledger that nothing else is left.

The in-guest program and what it made go first, then the mirror's snapshots. The fallback stays for its days, unless
the job says 0 (docs/decisions/0001). Whatever line of the ledger is open after that is a leftover: named, not hidden.
After the pivot, hence no undo. The job's trust ends with the job (worker/reaper.py).
"""

from typing import TYPE_CHECKING

from liveupdate.drivers.cloud.errors import CONFLICT
from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.states import ResourceState
from liveupdate.steps import fallback, mirror
from liveupdate.steps.attach import surrogate_paths
from liveupdate.steps.connect import good_paths
from liveupdate.steps.gone import is_gone, unless_gone
from liveupdate.steps.path_events import path_events
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import exists, prove_nothing_left, unmake
from liveupdate.steps.update import PLACE

if TYPE_CHECKING:
    from liveupdate.drivers.guest import Guest


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    seen = {
        "host_paths": surrogate_paths(context),
        "guest_paths": good_paths(context, "surrogate"),
        "path_events": path_events(context, "surrogate"),
    }
    with unless_gone(context, "surrogate"):
        _leave(context.guest("surrogate"))
    for role in mirror.roles(context):
        unmake(context, "snapshot", role)
    _give_up_image(context)
    fallback.finish(context)
    if is_gone(context, "surrogate"):
        _forget(context)
    return {**prove_nothing_left(context), **seen}


def _leave(guest: "Guest") -> None:
    guest.run(["rm", "-rf", PLACE])
    guest.agent().call("finish")
    guest.remove_agent()


def _forget(context: StepContext) -> None:
    """Somebody has deleted the updated server: the job keeps what is left of it, and nothing else."""
    for kind in ("server", "volume", "attachment"):
        for line in context.ledger.past(kind):
            if line.state == ResourceState.KEPT and not exists(context, line):
                context.ledger.end_keeping(line.id, gone=True)


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
