"""Stop the server that is to be replaced: from here on it does not answer. Undo: start it, if it was running."""

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import watch_server

_RESULT = {"stopped": True}


def probe(context: StepContext) -> Probe:
    server = context.service_cloud().servers.get(context.job.server_id)
    return Probe(True, _RESULT) if server and (server.status, server.task_state) == ("SHUTOFF", "") else NOT_DONE


def apply(context: StepContext) -> Json:
    _bring(context, "SHUTOFF")
    return _RESULT


def undo(context: StepContext) -> None:
    _bring(context, context.result("preflight")["server"]["status"])


def _bring(context: StepContext, status: str) -> None:
    """Raises Retry until the server has that status, ACTIVE or SHUTOFF."""
    servers = context.service_cloud().servers
    for _ in range(2):
        server = servers.get(context.job.server_id)
        if server is None or server.status == "ERROR":
            raise Failed(
                f"the server is {server.status if server else 'gone'}",
                code="live-update.server.failed",
                remedy="see its fault, and who else works on it",
            )
        if (server.status, server.task_state) == (status, ""):
            return
        if server.task_state:
            break
        (servers.start if status == "ACTIVE" else servers.stop)(server.id)
    watch = watch_server(context.service_cloud(), context.job.server_id)
    raise Retry(3.0, f"waits for the server to be {status}", watch=watch, counts=False)


STEP = Step("take_down", "Stop the server", probe, apply, undo)
