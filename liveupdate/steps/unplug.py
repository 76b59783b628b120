"""Take port and data volumes from the stopped server, and see to it that nothing dies with it.

Nova takes the port off: one that was attached by its id stays in Neutron, as every port of an updated server was.
Undo: plug everything in again, as it was.
"""

from typing import Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import original_port
from liveupdate.steps.resources import wait


def probe(context: StepContext) -> Probe:
    servers, server_id = context.service_cloud().servers, context.job.server_id
    attached = {v.volume_id: v for v in servers.volumes(server_id)}
    plugged = any(v["id"] in attached for v in _data_volumes(context)) or _on_server(context)
    dies = any(v.delete_on_termination for v in attached.values())
    return NOT_DONE if plugged or dies else Probe(True, _result(context))


def apply(context: StepContext) -> Json:
    servers, server_id = context.service_cloud().servers, context.job.server_id
    for volume in servers.volumes(server_id):
        if volume.delete_on_termination:
            servers.set_delete_on_termination(server_id, volume.volume_id, False)
    attached = {v.volume_id for v in servers.volumes(server_id)}
    for data in _data_volumes(context):
        if data["id"] in attached:
            _rests(context, data["id"])
            servers.detach_volume(server_id, data["id"])
    if _on_server(context):
        servers.detach_port(server_id, original_port(context)["id"])
    for data in _data_volumes(context):
        wait(context, lambda v=data["id"]: _off(context, v), f"volume {data['id']} to be detached")  # type: ignore[misc]
    wait(context, lambda: None if _on_server(context) else True, "the port to be free")
    return _result(context)


def undo(context: StepContext) -> None:
    servers, server_id = context.service_cloud().servers, context.job.server_id
    if not _on_server(context):
        servers.attach_port(server_id, original_port(context)["id"])
    for data in _data_volumes(context):
        _rests(context, data["id"])
        if data["id"] not in {v.volume_id for v in servers.volumes(server_id)}:
            servers.attach_volume(server_id, data["id"])
    for data in _data_volumes(context):
        wait(context, lambda v=data["id"]: _in(context, v), f"volume {data['id']} to be attached")  # type: ignore[misc]
    wait(context, lambda: _on_server(context) or None, "the port to be back on the server")
    dies = {v["id"]: v["delete_on_termination"] for v in context.result("preflight")["server"]["volumes"]}
    for volume in servers.volumes(server_id):
        if dies.get(volume.volume_id, False) != volume.delete_on_termination:
            servers.set_delete_on_termination(server_id, volume.volume_id, not volume.delete_on_termination)


def _data_volumes(context: StepContext) -> list[dict[str, Any]]:
    return [v for v in context.result("preflight")["server"]["volumes"] if not v["boot"]]


def _on_server(context: StepContext) -> bool:
    port = context.service_cloud().ports.get(original_port(context)["id"])
    if port is None:
        raise Failed(
            f"port {original_port(context)['id']} is gone",
            code="live-update.port.gone",
            remedy="see who removed it; its address may be given to a new port of the server by hand",
        )
    return port.device_id == context.job.server_id


def _rests(context: StepContext, volume_id: str) -> None:
    """Raises Retry while Nova is at it: asked twice, Cinder would refuse."""
    volume = context.service_cloud().volumes.get(volume_id)
    if volume and volume.status in ("reserved", "attaching", "detaching"):
        raise Retry(1.0, f"volume {volume_id} is {volume.status}", counts=False)


def _off(context: StepContext, volume_id: str) -> bool | None:
    volume = context.service_cloud().volumes.get(volume_id)
    on = volume is not None and (context.job.server_id in volume.servers or volume.status == "detaching")
    return None if on else True


def _in(context: StepContext, volume_id: str) -> bool | None:
    volume = context.service_cloud().volumes.get(volume_id)
    return True if volume and volume.status == "in-use" and context.job.server_id in volume.servers else None


def _result(context: StepContext) -> dict[str, Any]:
    return {"port_id": original_port(context)["id"], "volume_ids": [v["id"] for v in _data_volumes(context)]}


STEP = Step("unplug", "Take port and data volumes from the server", probe, apply, undo)
