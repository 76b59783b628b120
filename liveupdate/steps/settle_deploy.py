"""Let the servers be their owner's: our tags go, and the ledger names them as kept. After the pivot, hence no undo."""

from liveupdate.model import Json
from liveupdate.steps import deploy
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import prove_nothing_left


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    for role in deploy.roles(context):
        if line := context.ledger.find("server", role):
            context.user_cloud().servers.set_tags(line.cloud_id, [])
            context.ledger.kept(line)
    return prove_nothing_left(context)


def undo(context: StepContext) -> None:
    """They are in use."""


STEP = Step("settle_deploy", "Clean up", probe, apply, undo)
