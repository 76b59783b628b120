"""An image of a server's own disk, made by Nova beside its work: for a server whose root disk lies on its host.

Such an image is what a power cut at the end of its making would leave: file systems with journals, and databases,
recover from that.
"""

from collections.abc import Callable

from liveupdate.drivers.cloud import marks
from liveupdate.errors import Failed
from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import make, wait, watch_server

#: What a ledger's line calls the type of such a disk.
LOCAL = "local"


def local_root(context: StepContext) -> bool:
    """Whether the server was created from an image, onto a disk of its host."""
    return bool(context.result("preflight")["server"].get("image_id"))


def take(context: StepContext, role: str, details: Json, before: Callable[[], object] = lambda: None) -> str:
    """The id of this job's image for ``role``, once it is there and Nova has let go of the server.

    ``before`` runs right before Nova is asked; ``details`` are told to the ledger earlier still.
    """

    def create(line: Resource) -> str:
        before()
        mark = marks.metadata(line.job_id, line.role)
        return context.user_cloud().images.of_server(line.name, context.job.server_id, mark)

    image_id = make(context, "image", role, create, details)
    wait(
        context,
        lambda: taken(context, image_id) and _let_go(context),
        f"image {image_id}",
        watch=lambda: watch_server(context.user_cloud(), context.job.server_id),
    )
    return image_id


def taken(context: StepContext, image_id: str) -> bool | None:
    """True once the image is there; None while Nova makes it. Raises Failed if Nova gave up."""
    image = context.user_cloud().images.get(image_id)
    if image is None or image.status == "killed":
        raise Failed(
            f"image {image_id} of the server is {image.status if image else 'gone'}",
            code="live-update.image.failed",
            remedy="see the log of nova-compute on the server's host: a full disk or Glance's quota are usual causes",
        )
    return True if image.status == "active" else None


def _let_go(context: StepContext) -> bool | None:
    """An image is active a moment before Nova lets anybody else work on the server."""
    server = context.user_cloud().servers.get(context.job.server_id)
    return None if server and server.task_state else True
