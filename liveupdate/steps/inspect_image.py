"""Look what is behind an image: the snapshots it names and the volumes that they are of, if they are its own.

Who may change the image's properties cannot have other things deleted: each carries the mark of the job that made it.
The last step that may say no. Changes nothing.
"""

from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning.roles import golden_copy, golden_disk
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, image_id = context.user_cloud(), context.job.parameters["image_id"]
    image = cloud.golden_images.get(image_id)
    maker = image.properties.get(marks.JOB, "") if image else ""
    if image is None or image.owner != context.job.project_id or not maker:
        raise Failed(
            f"there is no golden image {image_id} in this project",
            user_fault=True,
            code="live-update.image.not-found",
            remedy="openstack live update image list",
        )
    found: list[dict[str, Any]] = []
    for number, disk in enumerate(image.disks):
        snapshot = cloud.snapshots.get(disk.snapshot_id)
        if snapshot is None or not marks.carries(snapshot.metadata, maker, golden_disk(number)):
            continue
        volume = cloud.volumes.get(snapshot.volume_id)
        ours = volume is not None and marks.carries(volume.metadata, maker, golden_copy(number))
        if ours and volume is not None and volume.servers:
            raise Failed(
                f"volume {volume.id} behind the image is on server {', '.join(sorted(volume.servers))}",
                user_fault=True,
                code="live-update.image.in-use",
                remedy="take it off that server",
            )
        found.append({"snapshot_id": snapshot.id, "volume_id": snapshot.volume_id if ours else "", "size": disk.size})
    return {"maker": maker, "disks": found}


def undo(context: StepContext) -> None:
    """Nothing was changed."""


STEP = Step("inspect_image", "See what is behind the image", probe, apply, undo)
