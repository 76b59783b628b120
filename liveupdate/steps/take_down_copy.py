"""Delete the temporary server and its port; the copied volumes are left, still. Undo: nothing."""

from liveupdate.model import Json
from liveupdate.steps import boot_copy, reserve_copy_port
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import unmake


def probe(context: StepContext) -> Probe:
    server = context.ledger.find("server", boot_copy.ROLE)
    return NOT_DONE if server or context.ledger.find("port", reserve_copy_port.ROLE) else Probe(True)


def apply(context: StepContext) -> Json:
    unmake(context, "server", boot_copy.ROLE)
    unmake(context, "port", reserve_copy_port.ROLE)
    return {}


def undo(context: StepContext) -> None:
    """It is of no use any more."""


STEP = Step("take_down_copy", "Delete the temporary server", probe, apply, undo)
