"""Boot a temporary server from the copies, which the guard keeps quiet, and have it tell what the image will be.

The kernel that it boots is the one that every server from the image will boot. Undo: delete the server.
"""

from typing import TYPE_CHECKING, Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.planning import golden, roles
from liveupdate.steps.kinds import mark
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, see_active, there, unmake
from liveupdate.steps.server_facts import SERIAL

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

ROLE = roles.COPY
#: The side that its guest answers on: see worker/guests.py.
SIDE = "surrogate"
_INTERVAL = 3.0


def probe(context: StepContext) -> Probe:
    server_id = there(context, "server", ROLE)
    server = context.user_cloud().servers.get(server_id) if server_id else None
    if server is None or server.status != "ACTIVE" or not context.guest(SIDE).reachable():
        return NOT_DONE
    return Probe(True, _result(context, server))


def apply(context: StepContext) -> Json:
    servers = context.user_cloud().servers
    server_id = make(context, "server", ROLE, lambda line: servers.create(_request(context, line), {}))
    server = servers.get(server_id)
    if server is None or server.status == "ERROR":
        raise Failed(
            f"the copy did not come up: {server.fault if server else 'it is gone'}",
            code="live-update.capture.copy-failed",
            remedy="see the fault; no room for a server of this flavor is a usual cause",
        )
    see_active(server, "the copy")
    if not context.guest(SIDE).reachable():
        raise Retry(_INTERVAL, "waits for the copy's ssh", counts=False)
    return _result(context, server)


def undo(context: StepContext) -> None:
    unmake(context, "server", ROLE)


def _request(context: StepContext, line: Resource) -> dict[str, Any]:
    """As the server, but for its metadata and its user data: nobody is to take it for the server."""
    original = context.result("preflight")["server"]
    optional = {"availability_zone": original["availability_zone"]}
    return {
        "name": line.name,
        "hostname": original["hostname"],
        "flavorRef": original["flavor_id"],
        "networks": [{"port": context.result("reserve_port")["surrogate"]["port_id"]}],
        "config_drive": original["config_drive"],
        "metadata": {},
        "tags": [mark(line)],
        "block_device_mapping_v2": [
            {
                "uuid": volume["volume_id"],
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": -1 if number else 0,
                "delete_on_termination": False,
            }
            for number, volume in enumerate(context.result("copy_volumes")["volumes"])
        ],
    } | {key: value for key, value in optional.items() if value}


def _result(context: StepContext, server: "Server") -> dict[str, Any]:
    told = context.guest(SIDE).oneshot("provenance", {})
    data = [volume["volume_id"][:SERIAL] for volume in context.result("copy_volumes")["volumes"][1:]]
    return {"server_id": server.id, "provenance": golden.provenance(told, data)}


STEP = Step("boot_copy", "Boot the copy", probe, apply, undo, timeout=1800)
