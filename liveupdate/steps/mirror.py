"""Copy the boot set while the original runs: file systems frozen, snapshots, thaw, volumes from the snapshots.

A disk on the server's host becomes an image: Nova copies it while the guest goes on. What the guest writes meanwhile
may be on the copy or not, and travels with the files (docs/decisions/0012).

A snapshot counts only if the file systems were frozen until it was complete; the ledger says so ("since", the guest's
clock at the freeze). One whose making was interrupted is deleted and taken anew. Undo: delete what was made.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.planning.boot_set import is_root
from liveupdate.steps.frozen import details, snapshots
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import boot_volumes, mirror_role
from liveupdate.steps.resources import make, there, unmake, wait
from liveupdate.steps.server_image import LOCAL, local_root, take

ROLE = "mirror"


def probe(context: StepContext) -> Probe:
    if local_root(context):
        image, image_id = context.ledger.find("image", ROLE), there(context, "image", ROLE)
        return Probe(True, _image_result(image)) if image and image_id and "seconds" in image.details else NOT_DONE
    made = {role: there(context, "volume", role) for role in roles(context)}
    lines = [context.ledger.find("snapshot", role) for role in made]
    if not all(line and "since" in line.details for line in lines):
        return NOT_DONE
    if not all(volume_id and volume_ready(context, volume_id) for volume_id in made.values()):
        return NOT_DONE
    return Probe(True, _result(context, made))


def apply(context: StepContext) -> Json:
    if local_root(context):
        return _image(context)
    taken = snapshots(context, {role: details(volume) for role, volume in roles(context).items()})
    for line in taken.values():
        context.ledger.ready(line)
    made = {role: _begin(context, role, taken[role], volume) for role, volume in roles(context).items()}
    for role, volume_id in made.items():
        wait(context, lambda volume_id=volume_id: volume_ready(context, volume_id), "the mirror volume")  # type: ignore[misc]
        if copy := context.ledger.find("volume", role):
            context.ledger.ready(copy)
    return _result(context, made)


def roles(context: StepContext) -> dict[str, dict[str, Any]]:
    """role of a snapshot and the volume made of it → the boot set's volume; what is booted from is the first."""
    return {mirror_role(v["id"], root=is_root(v)): v for v in boot_volumes(context)}


def _begin(context: StepContext, role: str, snapshot: Resource, volume: dict[str, Any]) -> str:
    volumes = context.user_cloud().volumes
    like = volumes.get(volume["id"])
    if like is None:
        raise Failed(
            f"volume {volume['id']} of the boot set is gone",
            code="live-update.volume.gone",
            remedy="see who removed it",
        )
    kind = context.job.parameters.get("mirror_volume_type") or like.type

    def create(line: Resource) -> str:
        mark = marks.metadata(line.job_id, line.role)
        return volumes.from_snapshot(line.name, snapshot.cloud_id, like.size, kind, mark).id

    return make(context, "volume", role, create, {"size": like.size, "type": kind})


def undo(context: StepContext) -> None:
    for role in roles(context):
        unmake(context, "volume", role)
    for role in roles(context):
        unmake(context, "snapshot", role)
    unmake(context, "image", ROLE)


def _image(context: StepContext) -> Json:
    """An image of the running server's disk.

    The clock is read first: what changes on the disk from then on counts as changed since the copy. All older writes
    are flushed before Nova begins. ``until``: the guest's clock when the copy was over; later changes are on one
    machine only.
    """
    guest = context.guest("original")
    size = context.result("preflight")["server"]["root_disk"]
    line = take(context, ROLE, {"size": size, "type": LOCAL, "since": guest.clock()}, guest.flush)
    if "until" not in line.details:
        line = context.ledger.created(line, line.cloud_id, {"until": guest.clock()})
    context.ledger.ready(line)
    return _image_result(line)


def _image_result(line: Resource) -> dict[str, Any]:
    return {"image_id": line.cloud_id, **{key: line.details[key] for key in ("since", "until", "bytes")}}


def volume_ready(context: StepContext, volume_id: str) -> bool | None:
    """True once it is; None while it is being made. Raises Failed if Cinder gave up."""
    volume = context.user_cloud().volumes.get(volume_id)
    if volume is None or volume.status.startswith("error"):
        raise Failed(
            f"volume {volume_id} is {volume.status if volume else 'gone'}",
            code="live-update.volume.failed",
            remedy="see the log of cinder-volume",
        )
    return True if volume.status in ("available", "in-use") else None


def _result(context: StepContext, made: Mapping[str, str | None]) -> dict[str, Any]:
    """``instead``: volume of the boot set → its copy. All of them were frozen together."""
    line = context.ledger.find("snapshot", ROLE)
    if line is None:
        raise Retry(1.0, "the mirror's snapshot has gone meanwhile")
    return {
        "snapshot_id": line.cloud_id,
        "volume_id": made[ROLE],
        "since": line.details["since"],
        "frozen_ms": line.details["frozen_ms"],
        "instead": {volume["id"]: made[role] for role, volume in roles(context).items()},
    }


STEP = Step("mirror", "Copy the boot disk", probe, apply, undo)
