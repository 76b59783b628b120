"""Boot a server from the recalled volume, on the port and with the data volumes of the one that it replaces.

Plays provision's part: the ledger's server "surrogate" takes the old one's place. Nova's word is taken that it runs;
its guest is not spoken to, since its host keys may be new. Undo: delete it, and see it gone.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.provision import ROLE
from liveupdate.steps.resources import make, there, unmake, watch_server
from liveupdate.steps.server_request import request

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server


def probe(context: StepContext) -> Probe:
    server_id = there(context, "server", ROLE)
    server = context.service_cloud().servers.get(server_id) if server_id else None
    return Probe(True, _result(server)) if server and server.status == "ACTIVE" else NOT_DONE


def apply(context: StepContext) -> Json:
    servers, plugged = context.user_cloud().servers, context.result("unplug")
    instead = context.result("mirror")["instead"]
    data = [instead.get(volume_id, volume_id) for volume_id in plugged["volume_ids"]]
    boot = context.result("mirror")["volume_id"]
    groups = context.result("preflight")["server"]["server_groups"]
    hints = {"group": groups[0]} if groups else {}
    server_id = make(
        context,
        "server",
        ROLE,
        lambda line: servers.create(request(context, line, plugged["port_id"], boot, data), hints),
    )
    server = context.service_cloud().servers.get(server_id)
    if server is None or server.status == "ERROR":
        raise Failed(
            f"the server did not come up: {server.fault if server else 'it is gone'}",
            code="live-update.restored.failed",
            remedy="see the fault; no room or a host in trouble are the usual causes",
        )
    if server.status != "ACTIVE":
        watch = watch_server(context.service_cloud(), server_id)
        raise Retry(2.0, f"waits for the server to be ACTIVE: {server.state}", watch=watch, counts=False)
    return _result(server)


def undo(context: StepContext) -> None:
    unmake(context, "server", ROLE)


def _result(server: "Server") -> dict[str, Any]:
    return {"server_id": server.id, "host": server.host}


STEP = Step("boot_restored", "Boot from the fallback", probe, apply, undo, timeout=1800, part="provision")
