"""The server that a job is about, gone: somebody has deleted it meanwhile, or the job does so itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveupdate.errors import GuestError
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import wait, watch_server

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

#: Nova is at it.
DELETING = "deleting"


@contextmanager
def unless_gone(context: StepContext) -> Iterator[None]:
    """Undo something in the original's guest: that it does not answer is no error once there is no such server."""
    try:
        yield
    except GuestError:
        if context.service_cloud().servers.get(context.job.server_id) is not None:
            raise
        context.event("progress", text="the original is gone, and with it what was done inside it")


def delete(context: StepContext, server: "Server | None", name: str) -> None:
    """Delete the job's server, None if it is not there, and see it gone; raises Retry as long as it goes.

    ``name``: for people.
    """
    if server is not None:
        cloud = context.service_cloud()
        if server.task_state != DELETING:
            cloud.servers.delete(server.id)
        wait(
            context,
            lambda: cloud.servers.get(server.id) is None or None,
            f"{name} to be gone",
            watch=lambda: watch_server(cloud, server.id),
        )
    if line := context.ledger.find("lock", "original"):
        # the lock went with the server
        context.ledger.deleted(line)
