"""Delete an image: the entry in Glance first, then the snapshots behind it, then the volumes that they are of.

Servers that were made from it are not touched. After the pivot, hence no undo.
"""

from liveupdate.model import Json
from liveupdate.planning.roles import GOLDEN
from liveupdate.states import ResourceState
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import prove_nothing_left, unmake


def probe(context: StepContext) -> Probe:
    """What is deleted is deleted at no cost again."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    found = context.result("inspect_image")
    _delete(context, "image", GOLDEN, context.job.parameters["image_id"])
    for kind in ("snapshot", "volume"):
        for number, disk in enumerate(found["disks"]):
            if identifier := disk[f"{kind}_id"]:
                context.checkpoint()
                _delete(context, kind, f"behind-{number}", identifier)
    for line_id in context.job.parameters.get("kept_lines") or ():
        context.ledger.end_keeping(line_id, gone=True)
    return prove_nothing_left(context)


def undo(context: StepContext) -> None:
    """What is deleted is deleted."""


def _delete(context: StepContext, kind: str, role: str, identifier: str) -> None:
    """See it gone, by a line of this job's own ledger."""
    if any(line.cloud_id == identifier for line in context.ledger.past(kind)):
        return
    line = context.ledger.intend(kind, role)
    if line.state == ResourceState.INTENDED:
        context.ledger.created(line, identifier)
    unmake(context, kind, role)


STEP = Step("delete_image", "Delete the image and what is behind it", probe, apply, undo, timeout=4 * 3600)
