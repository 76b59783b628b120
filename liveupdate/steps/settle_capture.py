"""Unlock the server, and name what stays as the image; whatever else the ledger has open is a leftover.

Cinder deletes no volume that has snapshots: the sealed volumes stay behind those of the image (docs/decisions/0013).
After the pivot, hence no undo.
"""

from liveupdate.model import Json
from liveupdate.steps import copy_volumes, make_image
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import prove_nothing_left, unmake


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    unmake(context, "lock", "original")
    stays = [("image", make_image.ROLE)]
    stays += [("snapshot", role) for role in make_image.roles(context)]
    stays += [("volume", role) for role in copy_volumes.roles(context)]
    for kind, role in stays:
        if line := context.ledger.find(kind, role):
            context.ledger.kept(line)
    return prove_nothing_left(context)


def undo(context: StepContext) -> None:
    """The image is there."""


STEP = Step("settle_capture", "Clean up", probe, apply, undo)
