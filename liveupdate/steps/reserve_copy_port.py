"""Reserve a port for the copy of a server, beside the server's own. Undo: delete it."""

from liveupdate.model import Json
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.reserve_port import beside, described
from liveupdate.steps.resources import there, unmake

ROLE = "surrogate"


def probe(context: StepContext) -> Probe:
    port_id = there(context, "port", ROLE)
    return Probe(True, {ROLE: described(context, port_id)}) if port_id else NOT_DONE


def apply(context: StepContext) -> Json:
    return {ROLE: described(context, beside(context, ROLE))}


def undo(context: StepContext) -> None:
    unmake(context, "port", ROLE)


STEP = Step("reserve_copy_port", "Reserve a port for the copy", probe, apply, undo, part="reserve_port")
