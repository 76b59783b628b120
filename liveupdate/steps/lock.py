"""Lock the original, so that nobody stops, resizes or deletes it in mid-flight.

The service user locks, hence only administrators can unlock; the reason names the job. Undo: unlock, if the lock is
ours.
"""

from liveupdate.drivers.cloud.marks import lock_reason
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake

_RESULT = {"locked": True}


def probe(context: StepContext) -> Probe:
    return Probe(True, _RESULT) if there(context, "lock", "original") else NOT_DONE


def apply(context: StepContext) -> Json:
    server_id = context.job.server_id
    servers = context.service_cloud().servers

    def create(line: Resource) -> str:
        server = servers.get(server_id)
        # as the checks saw it: what is restored may be stopped
        if server is None or server.status != context.result("preflight")["server"]["status"]:
            state = server.status if server else "gone"
            raise Failed(
                f"the server is {state} by now",
                user_fault=True,
                code="live-update.server.not-active",
                remedy="start it first",
            )
        if server.locked:
            raise Failed(
                f"the server is locked: {server.locked_reason or 'no reason given'}",
                user_fault=True,
                code="live-update.server.locked",
                remedy="unlock it first",
            )
        servers.lock(server_id, lock_reason(line.job_id))
        return server_id

    make(context, "lock", "original", create, {"server_id": server_id})
    return _RESULT


def undo(context: StepContext) -> None:
    unmake(context, "lock", "original")


STEP = Step("lock", "Lock the original", probe, apply, undo)
