"""Copy the volumes that become the image while the server runs: frozen for a moment, snapshots, volumes from them.

Undo: delete the volumes and the snapshots.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.model import Json, Resource
from liveupdate.planning.roles import golden_copy
from liveupdate.steps.frozen import details, snapshots
from liveupdate.steps.mirror import volume_ready
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait


def roles(context: StepContext) -> Mapping[str, dict[str, Any]]:
    """role → the server's volume that it is a copy of; what it boots from is the first."""
    captured: list[dict[str, Any]] = context.result("preflight")["captured"]
    return {golden_copy(number): volume for number, volume in enumerate(captured)}


def probe(context: StepContext) -> Probe:
    for role in roles(context):
        snapshot, line = context.ledger.find("snapshot", role), context.ledger.find("volume", role)
        volume_id = there(context, "volume", role)
        ready = snapshot and "since" in snapshot.details and line and "seconds" in line.details
        if not ready or volume_id is None or not volume_ready(context, volume_id):
            return NOT_DONE
    return Probe(True, _result(context))


def apply(context: StepContext) -> Json:
    taken = snapshots(context, {role: details(volume) for role, volume in roles(context).items()})
    for line in taken.values():
        context.ledger.ready(line)
    volumes = context.user_cloud().volumes
    for role, volume in roles(context).items():

        def create(line: Resource, snapshot: str = taken[role].cloud_id, volume: dict[str, Any] = volume) -> str:
            mark = marks.metadata(line.job_id, line.role)
            return volumes.from_snapshot(line.name, snapshot, volume["size"], volume["type"], mark).id

        made = make(context, "volume", role, create, {**details(volume), "boot": volume["boot"]})
        wait(context, lambda made=made: volume_ready(context, made), f"the copy of volume {volume['id']}")  # type: ignore[misc]
        if copy := context.ledger.find("volume", role):
            context.ledger.ready(copy)
    return _result(context)


def undo(context: StepContext) -> None:
    for role in roles(context):
        unmake(context, "volume", role)
    for role in roles(context):
        unmake(context, "snapshot", role)


def _result(context: StepContext) -> dict[str, Any]:
    found = {
        role: (context.ledger.find("snapshot", role), context.ledger.find("volume", role)) for role in roles(context)
    }
    lines = [(snapshot, volume) for snapshot, volume in found.values() if snapshot and volume]
    first = lines[0][0]
    return {
        "volumes": [{"volume_id": volume.cloud_id, "size": volume.details["size"]} for _, volume in lines],
        "frozen_ms": first.details["frozen_ms"],
        "taken_at": first.created_at.isoformat(timespec="seconds"),
    }


STEP = Step("copy_volumes", "Copy the volumes", probe, apply, undo, timeout=4 * 3600)
