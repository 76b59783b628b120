"""Make the image: a snapshot of each sealed volume, and an entry in Glance that names them in order of boot.

Until it is published it has the ledger's name and is not listed. Undo: delete the entry and the snapshots.
"""

from collections.abc import Mapping
from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.golden_images import Disk
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.planning import golden
from liveupdate.planning.roles import GOLDEN, golden_disk
from liveupdate.steps.copies import available
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, there, unmake, wait

ROLE = GOLDEN


def roles(context: StepContext) -> Mapping[str, dict[str, Any]]:
    """role of a snapshot → {"volume_id", "size"} of the sealed volume; what is booted from is the first."""
    volumes: list[dict[str, Any]] = context.result("copy_volumes")["volumes"]
    return {golden_disk(number): volume for number, volume in enumerate(volumes)}


def probe(context: StepContext) -> Probe:
    image_id = there(context, "image", ROLE)
    line = context.ledger.find("image", ROLE)
    if line is None or image_id is None or "seconds" not in line.details or not _active(context, image_id):
        return NOT_DONE
    return Probe(True, _result(context, image_id))


def apply(context: StepContext) -> Json:
    cloud, disks = context.user_cloud(), []
    for role, volume in roles(context).items():

        def snap(line: Resource, volume_id: str = volume["volume_id"]) -> str:
            return cloud.snapshots.create(line.name, volume_id, marks.metadata(line.job_id, line.role)).id

        taken = make(context, "snapshot", role, snap, {"size": volume["size"], "volume_id": volume["volume_id"]})
        wait(context, lambda taken=taken: available(context, taken), f"snapshot {taken}")  # type: ignore[misc]
        if line := context.ledger.find("snapshot", role):
            context.ledger.ready(line)
        disks.append(Disk(taken, volume["size"]))

    def create(line: Resource) -> str:
        server = context.result("preflight")["server"]
        known, taken_at = context.result("boot_copy")["provenance"], context.result("copy_volumes")["taken_at"]
        told = golden.properties(server, known, taken_at) | marks.metadata(line.job_id, line.role)
        return cloud.golden_images.create(line.name, disks, *golden.needs(server), told)

    image_id = make(context, "image", ROLE, create, {"size": sum(disk.size for disk in disks)})
    if not _active(context, image_id):
        cloud.golden_images.fill(image_id)
        wait(context, lambda: _active(context, image_id), f"image {image_id}")
    if line := context.ledger.find("image", ROLE):
        context.ledger.ready(line)
    return _result(context, image_id)


def undo(context: StepContext) -> None:
    unmake(context, "image", ROLE)
    for role in roles(context):
        unmake(context, "snapshot", role)


def _active(context: StepContext, image_id: str) -> bool | None:
    image = context.user_cloud().images.get(image_id)
    if image is None or image.status == "killed":
        raise Failed(
            f"image {image_id} is {image.status if image else 'gone'}",
            code="live-update.image.failed",
            remedy="see the log of Glance",
        )
    return True if image.status == "active" else None


def _result(context: StepContext, image_id: str) -> dict[str, Any]:
    lines = [context.ledger.find("snapshot", role) for role in roles(context)]
    return {"image_id": image_id, "snapshots": [line.cloud_id for line in lines if line]}


STEP = Step("make_image", "Make the image", probe, apply, undo, timeout=4 * 3600)
