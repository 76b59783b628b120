"""Look whether servers can be made from the image, and gather what the later steps need. Changes nothing."""

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning.deploy_findings import DeployFacts, judge
from liveupdate.steps.checking import concluded
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    """Facts grow old: they are gathered anew."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    cloud, parameters = context.user_cloud(), context.job.parameters
    image = cloud.golden_images.get(parameters["image_id"])
    if image is None or image.owner != context.job.project_id:
        raise Failed(
            f"there is no golden image {parameters['image_id']} in this project",
            user_fault=True,
            code="live-update.image.not-found",
            remedy="openstack live update image list",
        )
    snapshots = [cloud.snapshots.get(disk.snapshot_id) for disk in image.disks]
    findings = judge(
        DeployFacts(
            image=image.name,
            disks=[disk.size for disk in image.disks],
            snapshots=[found.status if found else "gone" for found in snapshots],
            min_disk=image.min_disk,
            min_ram=image.min_ram,
            flavor=cloud.flavors.get(parameters["flavor_id"]),
            servers=len(parameters["names"]),
            quota_left=context.service_cloud().quotas.left(context.job.project_id),
        )
    )
    return {
        "image": {"id": image.id, "name": image.name, "properties": dict(image.properties)},
        "disks": [disk.mapping(n) | {"uuid": disk.snapshot_id} for n, disk in enumerate(image.disks)],
    } | concluded(context, findings)


def undo(context: StepContext) -> None:
    """Nothing was changed."""


STEP = Step("check_deploy", "Check the image and what is asked for", probe, apply, undo)
