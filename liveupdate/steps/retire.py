"""Delete the server that has been replaced: the point of no return of a restore. Its volumes and its port stay.

No undo: before it, the old server is plugged in and started again.
"""

from liveupdate.errors import Failed, Retry, Watch
from liveupdate.model import Json
from liveupdate.steps.gone import DELETING, delete
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    """Raises Retry while Nova is at it: nobody can tell yet."""
    old = context.service_cloud().servers.get(context.job.server_id)
    if old is not None and old.task_state == DELETING:
        raise Retry(2.0, "waits for the old server to be gone", watch=Watch("server", old.id, old.state))
    return Probe(True, _result(context)) if old is None else NOT_DONE


def apply(context: StepContext) -> Json:
    old = context.service_cloud().servers.get(context.job.server_id)
    if old is not None:
        _verify(context)
    delete(context, old, "the old server")
    return _result(context)


def undo(context: StepContext) -> None:
    """Only called when probe has seen the old server there."""


def _verify(context: StepContext) -> None:
    new = context.service_cloud().servers.get(context.result("provision")["server_id"])
    port = context.service_cloud().ports.get(context.result("unplug")["port_id"])
    if new is None or new.status != "ACTIVE" or port is None or port.device_id != new.id:
        raise Failed(
            f"the new server is {new.status if new else 'gone'}, the port on {port.device_id if port else 'nothing'}",
            code="live-update.restored.failed",
            remedy="see who stopped it; the old server comes back",
        )


def _result(context: StepContext) -> dict[str, str]:
    return {"deleted_server_id": context.job.server_id}


STEP = Step("retire", "Delete the replaced server", probe, apply, undo, timeout=1800)
