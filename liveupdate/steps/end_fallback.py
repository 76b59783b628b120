"""Delete what a fallback consists of, copies before the old volume; leave what is not ours or belongs to its owner.

Each part is looked at again first, so that the whole may be repeated from any point; and each has a line of its own
in this job's ledger, besides the one it closes in the ledger of the job that kept it. After the pivot, hence no undo.
"""

from typing import TYPE_CHECKING

from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.planning.parts import Part
from liveupdate.states import ResourceState
from liveupdate.steps.inspect_fallback import Fate, fate, kept_in, look, parts
from liveupdate.steps.kinds import going, stuck
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import wait

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud

#: Seconds until Cinder is asked once more for what it did not delete.
_AGAIN = 60.0


def probe(context: StepContext) -> Probe:
    """Ended once, a part is ended at no cost again."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    ended: dict[str, list[str]] = {"deleted": [], "left": []}
    for part in parts(context):
        context.checkpoint()
        todo = fate(context, part)
        if todo == Fate.LEFT:
            context.event("fallback.left", kind=part.kind, name=part.name, cloud_id=part.cloud_id)
            context.ledger.end_keeping(part.line, gone=False)
            ended["left"].append(part.cloud_id)
            continue
        if todo == Fate.DELETE:
            line = context.ledger.intend(part.kind, part.role, {"kept_by": part.job_id})
            if line.state == ResourceState.INTENDED:
                context.ledger.created(line, part.cloud_id)
            _delete(context, part)
        context.ledger.end_keeping(part.line, gone=True)
        if own := context.ledger.find(part.kind, part.role):
            context.ledger.deleted(own)
        ended["deleted"].append(part.cloud_id)
    return ended


def undo(context: StepContext) -> None:
    """What is deleted is deleted."""


def _delete(context: StepContext, part: Part) -> None:
    """See it gone. Raises Retry, which counts, if Cinder takes it back or gives up."""
    cloud = context.service_cloud()
    found = look(cloud, part)
    if found is not None and not going(found):
        kept_in(cloud, part).delete(part.cloud_id, force=stuck(found))
    wait(context, lambda: _gone(cloud, part), f"{part.kind} {part.name} to be gone")


def _gone(cloud: "Cloud", part: Part) -> bool | None:
    found = look(cloud, part)
    if found is None:
        return True
    if going(found):
        return None
    # accepted, and then not done: a snapshot that volumes still depend on becomes available again
    raise Retry(
        _AGAIN,
        f"Cinder did not delete {part.kind} {part.name} ({part.cloud_id}), which is {found.status}: "
        "volumes that were made from it may depend on it, see the log of cinder-volume",
        code="live-update.fallback.not-deleted",
    )


STEP = Step("end_fallback", "Delete the fallback", probe, apply, undo, attempts=6, timeout=4 * 3600)
