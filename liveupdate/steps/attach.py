"""Attach the data volumes that may be on two servers to the surrogate, and see them in its guest.

It does not mount them: the guard has made them read-only there, and the cut-over orders who mounts. Volumes that may be
on one server only are handed over inside the cut-over. Undo: detach.
"""

from typing import Any

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.planning.paths import REMEDY, too_few
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait
from liveupdate.steps.server_facts import host_paths

#: The serial numbers of disks that are read-only.
_READ_ONLY = (
    'for d in /sys/block/*; do [ "$(cat $d/ro)" = 1 ] && cat $d/serial $d/device/vpd_pg80; done 2>/dev/null || true'
)
_SERIAL_FILES = "cat /sys/block/*/serial /sys/block/*/device/vpd_pg80 2>/dev/null || true"


def probe(context: StepContext) -> Probe:
    volumes = _volumes(context)
    if not all(there(context, "attachment", _role(v)) and attached(context, v["id"]) for v in volumes):
        return NOT_DONE
    paths = _paths(context, volumes)
    return Probe(True, _result(context, paths)) if all(paths.values()) and not _writable(context, volumes) else NOT_DONE


def apply(context: StepContext) -> Json:
    volumes = _volumes(context)
    surrogate = context.result("provision")["server_id"]
    servers = context.user_cloud().servers
    for volume in volumes:

        def create(line: Resource, volume_id: str = volume["id"]) -> str:
            servers.attach_volume(surrogate, volume_id)
            return volume_id

        make(context, "attachment", _role(volume), create, {"server_id": surrogate, "volume_id": volume["id"]})
    for volume in volumes:
        wait(context, lambda v=volume["id"]: attached(context, v) or None, "volumes to be attached")  # type: ignore[misc]
    require_paths(context)
    paths = _paths(context, volumes)
    if missing := [volume_id for volume_id, count in paths.items() if not count]:
        raise Retry(1.0, f"waits for volumes in the guest: {', '.join(missing)}", counts=False)
    if writable := _writable(context, volumes):
        raise Retry(
            1.0,
            f"the surrogate could write to {', '.join(writable)}, which the original has mounted: waits for udev there",
            code="live-update.attach.writable",
        )
    return _result(context, paths)


def undo(context: StepContext) -> None:
    for volume in _volumes(context):
        unmake(context, "attachment", _role(volume))


def attached(context: StepContext, volume_id: str) -> bool:
    """Nova lists a volume at once; it is there when Cinder says so."""
    volume = context.user_cloud().volumes.get(volume_id)
    surrogate = context.result("provision")["server_id"]
    return volume is not None and volume.status == "in-use" and surrogate in volume.servers


def _volumes(context: StepContext) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = context.result("preflight")["server"]["volumes"]
    return [v for v in volumes if not v["boot"] and v["multiattach"]]


def _role(volume: dict[str, Any]) -> str:
    return f"surrogate-{volume['id'][:8]}"


def _paths(context: StepContext, volumes: list[dict[str, Any]]) -> dict[str, int]:
    """volume id → number of block devices of the guest with its serial."""
    if not volumes:
        return {}
    told = context.guest("surrogate").run(["sh", "-c", _SERIAL_FILES]).stdout
    return {v["id"]: told.count(v["serial"]) for v in volumes}


def _writable(context: StepContext, volumes: list[dict[str, Any]]) -> list[str]:
    """Volumes that the surrogate's guest does not take for read-only, though the guard was told of them.

    An older release has told it of none.
    """
    guarded = [v for v in volumes if v["serial"] in (context.result("guard").get("disks") or ())]
    if not guarded:
        return []
    told = context.guest("surrogate").run(["sh", "-c", _READ_ONLY]).stdout
    return [v["id"] for v in guarded if v["serial"] not in told]


def require_paths(context: StepContext) -> None:
    """Raises Failed if the surrogate's host has a volume over fewer paths than are demanded."""
    minimum = context.result("preflight").get("minimum_paths", 1)
    # in a blackout, nothing is asked in vain
    if minimum > 1 and (told := too_few(surrogate_paths(context), minimum)):
        raise Failed(
            f"on the surrogate's host: {told}", user_fault=True, code="live-update.volume.paths", remedy=REMEDY
        )


def surrogate_paths(context: StepContext) -> dict[str, int | None]:
    """Over how many paths the surrogate's host has each of its volumes; None: not to be counted."""
    connected = host_paths(context.service_cloud(), context.result("provision")["server_id"])
    return {volume_id: paths for volume_id, (_, paths) in connected.items()}


def _result(context: StepContext, paths: dict[str, int]) -> dict[str, Any]:
    return {"attached": list(paths), "paths": paths, "host_paths": surrogate_paths(context)}


STEP = Step("attach", "Attach the data volumes", probe, apply, undo)
