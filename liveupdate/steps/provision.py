"""Boot the surrogate from the mirror, with its own port, and wait until its ssh answers with the original's host key.

It is created with the original's name, hostname, flavor, group, zone and metadata; its boot volume does not die with
it until it takes the original's place. Undo: delete it, and see it gone.
"""

from typing import Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, mark, there, unmake, watch_server

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
    """What POST /servers gets."""
    original = context.result("preflight")["server"]
    user_data = context.service_cloud().servers.user_data(original["id"])
    optional = {
        # a key pair belongs to a user: the requester may not be the one who made the server
        "key_name": original["key_name"] if context.user_cloud().keypairs.exists(original["key_name"]) else "",
        "availability_zone": original["availability_zone"],
        "description": original["description"],
        "user_data": user_data,
    }
    return {
        "name": original["name"],
        "hostname": original["hostname"],
        "flavorRef": original["flavor_id"],
        "networks": [{"port": context.result("reserve_port")["surrogate"]["port_id"]}],
        "config_drive": original["config_drive"],
        "metadata": original["metadata"],
        "tags": [mark(line)],
        "block_device_mapping_v2": [
            {
                "uuid": context.result("mirror")["volume_id"],
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0,
                "delete_on_termination": False,
            }
        ],
    } | {key: value for key, value in optional.items() if value}


def _result(server_id: str, host: str) -> dict[str, Any]:
    return {"server_id": server_id, "host": host}


STEP = Step("provision", "Boot the surrogate", probe, apply, undo, timeout=1800)
