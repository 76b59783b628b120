"""Create the servers, each with volumes of its own from the image's snapshots, and wait until Nova has them ACTIVE.

Nova is told the image's disks and not the image: such servers boot from a volume, and can be live-updated as any other.
Undo: delete the servers; their volumes die with them.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.kinds import mark
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, see_active, there, unmake


def roles(context: StepContext) -> Mapping[str, str]:
    """role → the name of its server."""
    return {f"deployed-{number}": name for number, name in enumerate(context.job.parameters["names"], 1)}


def probe(context: StepContext) -> Probe:
    made = {role: there(context, "server", role) for role in roles(context)}
    servers = [context.user_cloud().servers.get(found) if found else None for found in made.values()]
    if any(server is None or server.status != "ACTIVE" for server in servers):
        return NOT_DONE
    return Probe(True, _result(made))


def apply(context: StepContext) -> Json:
    servers, made = context.user_cloud().servers, {}
    for role, name in roles(context).items():

        def create(line: Resource, name: str = name) -> str:
            return servers.create(_request(context, line, name), {})

        made[role] = make(context, "server", role, create)
        context.checkpoint()
    for role, server_id in made.items():
        server = servers.get(server_id)
        if server is None or server.status == "ERROR":
            raise Failed(
                f"{roles(context)[role]} did not come up: {server.fault if server else 'it is gone'}",
                code="live-update.deploy.failed",
                remedy="see the fault; the flavor, the network and the zone asked for are usual causes",
            )
        see_active(server, server.name)
    return _result(made)


def undo(context: StepContext) -> None:
    for role in reversed(list(roles(context))):
        unmake(context, "server", role)


def _request(context: StepContext, line: Resource, name: str) -> dict[str, Any]:
    asked, checked = context.job.parameters, context.result("check_deploy")
    optional = {key: asked.get(key) for key in ("key_name", "availability_zone", "user_data")}
    return {
        "name": name,
        "flavorRef": asked["flavor_id"],
        "networks": [{"uuid": asked["network_id"]}],
        "config_drive": checked["image"]["properties"].get("img_config_drive") == "mandatory",
        "metadata": {},
        "tags": [mark(line)],
        "block_device_mapping_v2": checked["disks"],
    } | {key: value for key, value in optional.items() if value}


def _result(made: Mapping[str, str | None]) -> dict[str, Any]:
    return {"servers": list(made.values())}


STEP = Step("deploy", "Create the servers", probe, apply, undo, timeout=4 * 3600)
