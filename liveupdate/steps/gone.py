"""The server that a job is about, gone or stopped: somebody has done it meanwhile, or the job does so itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from liveupdate.drivers.cloud.errors import NOT_FOUND, REFUSED
from liveupdate.drivers.guest.agent import SILENT
from liveupdate.drivers.guest.connection import UNREACHABLE
from liveupdate.errors import Failed, GuestError, LiveUpdateError, Lost, Retry
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import wait, watch_server

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

#: Seconds for the original to boot.
_BOOT = 300.0
#: Nova is at it.
DELETING = "deleting"
#: Guests that do not answer, us or each other; calls that do not suit what is there.
_MAY_COME_OF_IT = {
    SILENT,
    UNREACHABLE,
    "live-update.guest.no-management",
    "live-update.cut-over.link-broken",
    REFUSED,
    NOT_FOUND,
}


@contextmanager
def unless_gone(context: StepContext, side: str = "original") -> Iterator[None]:
    """For what is done in that guest only: that it does not answer is no error once there is no such server."""
    try:
        yield
    except GuestError:
        if not is_gone(context, side):
            raise
        context.event("progress", text=f"the {side} is gone, and with it what was done inside it")


def require_surrogate(context: StepContext) -> None:
    """Raises Lost if somebody has deleted it while the workload was there, and the original waits as it was.

    Two witnesses: what Nova does not know, and still answers, is not lost.
    """
    if is_gone(context, "surrogate") and not context.guest("surrogate").reachable():
        raise Lost("the surrogate is gone, and with it what the workload had in memory", remedy="see who deleted it")


def is_gone(context: StepContext, side: str = "original") -> bool:
    return context.service_cloud().servers.get(server_id(context, side)) is None


def server_id(context: StepContext, side: str) -> str:
    return context.job.server_id if side == "original" else str(context.result("provision")["server_id"])


def by_its_owner(context: StepContext, error: LiveUpdateError) -> LiveUpdateError:
    """``error``; or if it may come of what somebody has done to the server or to the surrogate, that: as long as the
    server is the job's to keep, until the workload is on another one.
    """
    known, workload_is_away = context.result("preflight").get("server"), context.result(context.job.plan.pivot)
    if error.code not in _MAY_COME_OF_IT or not known or workload_is_away:
        return error
    try:
        server = context.service_cloud().servers.get(context.job.server_id)
        # the job itself closes the line
        ours = context.ledger.find("server", "surrogate")
        surrogate_gone = ours is not None and bool(context.result("provision")) and is_gone(context, "surrogate")
    except LiveUpdateError:
        return error
    if server is None:
        return Failed("the server is gone", code="live-update.server.gone", remedy="see who deleted it")
    if server.status != known["status"]:
        told = f"the server is {server.status} by now"
        return Failed(told, code="live-update.server.not-active", remedy="start it, then try again")
    if surrogate_gone:
        return Failed("the surrogate is gone", code=Lost.default_code, remedy="see who deleted it; then try again")
    return error


def started(context: StepContext) -> None:
    """The original runs: a move back that failed, or its release, may have stopped it. Its guard keeps its workload
    silent."""
    cloud, known = context.service_cloud(), context.job.server_id
    server = cloud.servers.get(known)
    if server is None:
        raise Failed(
            "the original is gone: there is nothing to move back to",
            code="live-update.pre-copy.original-gone",
            remedy="confirm the update",
        )
    if server.task_state:
        watch = watch_server(cloud, known)
        raise Retry(3.0, f"waits for the original: {server.state}", watch=watch, counts=False)
    if server.status != "SHUTOFF":
        return
    cloud.servers.start(known)

    def answers() -> bool | None:
        return context.guest("original").reachable() or None

    wait(context, answers, "the original to boot", watch=partial(watch_server, cloud, known), patience=_BOOT)


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
