"""The server that a job is about, gone or stopped: somebody has done it meanwhile, or the job does so itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from liveupdate.drivers.cloud.errors import NOT_FOUND, REFUSED
from liveupdate.drivers.guest.agent import SILENT
from liveupdate.drivers.guest.connection import UNREACHABLE
from liveupdate.errors import Failed, GuestError, LiveUpdateError
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import wait, watch_server

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

#: Nova is at it.
DELETING = "deleting"
#: Guests that do not answer, calls that do not suit what is there.
_MAY_COME_OF_IT = {SILENT, UNREACHABLE, REFUSED, NOT_FOUND}


@contextmanager
def unless_gone(context: StepContext) -> Iterator[None]:
    """Undo something in the original's guest: that it does not answer is no error once there is no such server."""
    try:
        yield
    except GuestError:
        if not is_gone(context):
            raise
        context.event("progress", text="the original is gone, and with it what was done inside it")


def is_gone(context: StepContext, side: str = "original") -> bool:
    return context.service_cloud().servers.get(server_id(context, side)) is None


def server_id(context: StepContext, side: str) -> str:
    return context.job.server_id if side == "original" else str(context.result("provision")["server_id"])


def by_its_owner(context: StepContext, error: LiveUpdateError) -> LiveUpdateError:
    """``error``; or if it may come of what somebody has done to the server, that: as long as the server is the job's to
    keep, until the workload is on another one.
    """
    known, workload_is_away = context.result("preflight").get("server"), context.result(context.job.plan.pivot)
    if error.code not in _MAY_COME_OF_IT or not known or workload_is_away:
        return error
    try:
        server = context.service_cloud().servers.get(context.job.server_id)
    except LiveUpdateError:
        return error
    if server is None:
        return Failed("the server is gone", code="live-update.server.gone", remedy="see who deleted it")
    if server.status != known["status"]:
        told = f"the server is {server.status} by now"
        return Failed(told, code="live-update.server.not-active", remedy="start it, then try again")
    return error


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
