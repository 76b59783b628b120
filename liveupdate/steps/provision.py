"""Boot the surrogate from the mirror, with its own port, and wait until its ssh answers with the original's host key.

It is created with the original's name, hostname, flavor, group, zone and metadata; its boot volume does not die with
it until it takes the original's place. Undo: delete it, and see it gone.
"""

from typing import Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, watch_server
from liveupdate.steps.server_request import request

ROLE = "surrogate"
#: Seconds between looks whether the guest answers.
_GUEST_INTERVAL = 3.0


def probe(context: StepContext) -> Probe:
    server_id = there(context, "server", ROLE)
    server = context.service_cloud().servers.get(server_id) if server_id else None
    if server is None or server.status != "ACTIVE" or not context.guest(ROLE).reachable():
        return NOT_DONE
    return Probe(True, _result(server.id, server.host))


def apply(context: StepContext) -> Json:
    cloud = context.user_cloud()
    hints = context.result("place")["hints"]
    server_id = make(context, "server", ROLE, lambda line: cloud.servers.create(_body(context, line), hints))
    # the service user sees the host
    server = context.service_cloud().servers.get(server_id)
    if server is None or server.status == "ERROR":
        told = server.fault if server else "it is gone"
        raise Failed(
            f"the surrogate did not come up: {told}",
            code="live-update.surrogate.failed",
            remedy="see the fault; no room or a host in trouble are the usual causes",
        )
    if server.status != "ACTIVE":
        watch = watch_server(cloud, server_id)
        raise Retry(2.0, f"waits for the surrogate to be ACTIVE: {server.state}", watch=watch, counts=False)
    if not context.guest(ROLE).reachable():
        raise Retry(_GUEST_INTERVAL, "waits for the surrogate's ssh", counts=False)
    return _result(server.id, server.host)


def undo(context: StepContext) -> None:
    unmake(context, "server", ROLE)


def _body(context: StepContext, line: Resource) -> dict[str, Any]:
    port_id = context.result("reserve_port")["surrogate"]["port_id"]
    return request(context, line, port_id, context.result("mirror")["volume_id"])


def _result(server_id: str, host: str) -> dict[str, Any]:
    return {"server_id": server_id, "host": host}


STEP = Step("provision", "Boot the surrogate", probe, apply, undo, timeout=1800)
