"""Copy the boot disk while the original runs: file systems frozen, snapshot, thaw, volume from the snapshot.

A disk on the server's host becomes an image: Nova copies it while the guest goes on. What the guest writes meanwhile
may be on the copy or not, and travels with the files (docs/decisions/0012).

A snapshot counts only if the file systems were frozen until it was complete; the ledger says so ("since", the guest's
clock at the freeze). One whose making was interrupted is deleted and taken anew. Undo: delete what was made.
"""

from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.steps.frozen import snapshots
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import boot_volumes
from liveupdate.steps.resources import make, there, unmake, wait
from liveupdate.steps.server_image import LOCAL, local_root, take

ROLE = "mirror"


def probe(context: StepContext) -> Probe:
    if local_root(context):
        image, image_id = context.ledger.find("image", ROLE), there(context, "image", ROLE)
        return Probe(True, _image_result(image)) if image and image_id and "seconds" in image.details else NOT_DONE
    line = context.ledger.find("snapshot", ROLE)
    volume_id = there(context, "volume", ROLE)
    if line is None or volume_id is None or "since" not in line.details or not volume_ready(context, volume_id):
        return NOT_DONE
    return Probe(True, _result(line, volume_id))


def apply(context: StepContext) -> Json:
    if local_root(context):
        return _image(context)
    [boot] = boot_volumes(context)
    line = snapshots(context, {ROLE: boot})[ROLE]
    volumes = context.user_cloud().volumes
    like = volumes.get(boot["id"])
    if like is None:
        raise Failed("the boot volume is gone", code="live-update.volume.gone", remedy="see who removed it")

    kind = context.job.parameters.get("mirror_volume_type") or like.type

    def create(made: Resource) -> str:
        mark = marks.metadata(made.job_id, made.role)
        return volumes.from_snapshot(made.name, line.cloud_id, like.size, kind, mark).id

    volume_id = make(context, "volume", ROLE, create, {"size": like.size, "type": kind})
    wait(context, lambda: volume_ready(context, volume_id), "the mirror volume")
    if volume := context.ledger.find("volume", ROLE):
        context.ledger.ready(volume)
    return _result(line, volume_id)


def undo(context: StepContext) -> None:
    unmake(context, "volume", ROLE)
    unmake(context, "snapshot", ROLE)
    unmake(context, "image", ROLE)


def _image(context: StepContext) -> Json:
    """An image of the running server's disk.

    The clock is read first: what changes on the disk from then on counts as changed since the copy. All older writes
    are flushed before Nova begins. ``until``: the guest's clock when the copy was over; later changes are on one
    machine only.
    """
    guest = context.guest("original")
    size = context.result("preflight")["server"]["root_disk"]
    image_id = take(context, ROLE, {"size": size, "type": LOCAL, "since": guest.clock()}, guest.flush)
    line = context.ledger.find("image", ROLE)
    image = context.user_cloud().images.get(image_id)
    if line is None or image is None:
        raise Retry(1.0, f"image {image_id} has gone meanwhile")
    if "until" not in line.details:
        line = context.ledger.created(line, image_id, {"until": guest.clock(), "bytes": image.size})
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


def _result(snapshot: Resource, volume_id: str) -> dict[str, Any]:
    return {
        "snapshot_id": snapshot.cloud_id,
        "volume_id": volume_id,
        "since": snapshot.details["since"],
        "frozen_ms": snapshot.details["frozen_ms"],
    }


STEP = Step("mirror", "Copy the boot disk", probe, apply, undo)
