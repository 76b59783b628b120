"""Take the snapshots that one returns to after the commit. No fallback, no update.

The boot volume's, and the data volumes' if the job asks for them: what a power cut would leave, as journalling file
systems and databases recover from. The release and clean_up decide what becomes of them (docs/decisions/0001). Undo:
delete them.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait

#: The boot volume's role; a data volume's has the beginning of its id after it.
BOOT_ROLE = "fallback"


def roles(context: StepContext) -> Mapping[str, str]:
    """role → id of the volume it is of."""
    volumes: list[dict[str, Any]] = context.result("preflight")["server"]["volumes"]
    data = context.job.parameters.get("fallback_data_volumes", False)
    wanted = [v for v in volumes if v["boot"] or data]
    return {BOOT_ROLE if v["boot"] else f"{BOOT_ROLE}-{v['id'][:8]}": v["id"] for v in wanted}


def probe(context: StepContext) -> Probe:
    taken = []
    for role, volume_id in roles(context).items():
        found = there(context, "snapshot", role)
        if found is None or not available(context, found):
            return NOT_DONE
        taken.append({"volume_id": volume_id, "snapshot_id": found})
    return Probe(True, {"snapshots": taken})


def apply(context: StepContext) -> Json:
    snapshots = context.user_cloud().snapshots
    taken = []
    for role, volume_id in roles(context).items():

        def create(line: Resource, volume_id: str = volume_id) -> str:
            return snapshots.create(line.name, volume_id, marks.metadata(line.job_id, line.role)).id

        found = make(context, "snapshot", role, create)
        wait(context, lambda found=found: available(context, found), f"snapshot {found}")  # type: ignore[misc]
        taken.append({"volume_id": volume_id, "snapshot_id": found})
    return {"snapshots": taken}


def undo(context: StepContext) -> None:
    for role in roles(context):
        unmake(context, "snapshot", role)


def available(context: StepContext, snapshot_id: str) -> bool | None:
    """True once it is; None while it is being made. Raises Failed if Cinder gave up."""
    snapshot = context.user_cloud().snapshots.get(snapshot_id)
    if snapshot is None or snapshot.status.startswith("error"):
        raise Failed(
            f"snapshot {snapshot_id} is {snapshot.status if snapshot else 'gone'}",
            code="live-update.snapshot.failed",
            remedy="see the log of cinder-volume",
        )
    return True if snapshot.status == "available" else None


STEP = Step("fallback", "Take the fallback snapshot", probe, apply, undo)
