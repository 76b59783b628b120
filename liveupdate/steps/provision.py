"""Boot the surrogate from the mirror, with its own port, and wait until its ssh answers with the original's host key.

It is created with the original's name, hostname, flavor, group, zone and metadata; the volumes of its boot set do not
die with it until it takes the original's place. The host that place has chosen is asked of Nova by name, and looked at
once the server is there; where Nova would not have it, the next best is reserved and asked. Undo: delete it, and see it
gone.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.servers import HOST_FORBIDDEN
from liveupdate.errors import Failed, Retry
from liveupdate.model import Json, Resource
from liveupdate.steps.kinds import mark
from liveupdate.steps.place import HOLD, reserve
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import disks
from liveupdate.steps.resources import exists, make, see_active, there, unmake
from liveupdate.steps.server_request import request

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

ROLE = "surrogate"
#: Seconds between looks whether the guest answers.
_GUEST_INTERVAL = 3.0
#: Hosts that are tried: beyond that it is not the hosts that are at fault.
_HOSTS = 5


def probe(context: StepContext) -> Probe:
    server = up(context)
    return Probe(True, told(context, server)) if server and context.guest(ROLE).reachable() else NOT_DONE


def apply(context: StepContext) -> Json:
    port_id = context.result("reserve_port")["surrogate"]["port_id"]

    def body(line: Resource) -> dict[str, Any]:
        # of use to nobody but this job until pre_copy takes it off: whoever cleans up without a ledger goes by it
        asked = request(context, line, port_id, context.result("mirror"), disks(context))
        return asked | {"tags": [mark(line), marks.IDLE]}

    server = bring_up(context, body)
    if not context.guest(ROLE).reachable():
        raise Retry(_GUEST_INTERVAL, "waits for the surrogate's ssh", counts=False)
    return told(context, server)


def undo(context: StepContext) -> None:
    unmake(context, "server", ROLE)


def up(context: StepContext) -> "Server | None":
    """The server once it is ACTIVE on a host that suits it, and no room is held for it any more."""
    server_id = there(context, "server", ROLE)
    server = context.service_cloud().servers.get(server_id) if server_id else None
    mine = context.reservations.mine()
    # room that is still held is Nova's by now: apply gives it back
    held = mine is not None and mine.live
    return server if server and server.status == "ACTIVE" and not held and _eligible(context, server) else None


def bring_up(context: StepContext, body: Callable[[Resource], dict[str, Any]]) -> "Server":
    """Create it on the host that place has chosen, or on the next best. ``body``: the ledger's line → what Nova gets.

    Raises Retry until it is ACTIVE, Failed if no host takes it.
    """
    host = _host(context)
    server_id = make(context, "server", ROLE, lambda line: _create(context, body(line), host), {"host": host})
    # the service user sees the host
    server = context.service_cloud().servers.get(server_id)
    if server is None or server.status == "ERROR":
        raise _next_best(context, host, server.fault if server else "it is gone")
    if server.host:
        # Nova has taken the room: it is in Placement now
        context.reservations.release()
    see_active(server, "the server")
    if not _eligible(context, server):
        raise _next_best(context, host, f"Nova put it on {server.host}, which is not eligible")
    return server


def told(context: StepContext, server: "Server") -> dict[str, Any]:
    """``host`` is where it is, ``asked_host`` where it was wanted; ``refused``: host → why Nova would not have it."""
    mine = context.reservations.mine()
    where = {"server_id": server.id, "host": server.host, "asked_host": mine.host if mine else server.host}
    return where | {"refused": dict(mine.refused) if mine else {}}


# -- the host ----------------------------------------------------------------------------------------------------------


def _host(context: StepContext) -> str:
    """The host to ask for, with room held there for as long as Nova may need to take it; or where it was asked for."""
    line = context.ledger.find("server", ROLE)
    if line and exists(context, line):
        return str(line.details.get("host", ""))
    if not context.reservations.renew(HOLD):
        # time, or Nova, took the room away
        context.event("placement.chosen_anew", **reserve(context)["placement"])
    mine = context.reservations.mine()
    host = mine.host if mine else ""
    if line and line.details.get("host") != host:
        # intended for another host, and never made
        unmake(context, "server", ROLE)
    return host


def _create(context: StepContext, body: dict[str, Any], host: str) -> str:
    servers, hints = context.user_cloud().servers, _hints(context, host)
    try:
        return servers.create(body, {k: v for k, v in hints.items() if k == "group"}, host)
    except Failed as refused:
        if refused.code != HOST_FORBIDDEN:
            raise
        context.event("placement.by_hints", detail=refused.detail, remedy=refused.remedy)
    return servers.create(body, hints)


def _hints(context: StepContext, host: str) -> dict[str, str]:
    """As near as a user can say it: on the original's host, or on another one."""
    original = context.result("preflight")["server"]
    near = "same_host" if host == original["host"] else "different_host"
    group = {k: v for k, v in context.result("place")["hints"].items() if k == "group"}
    return {near: original["id"], **group}


def _eligible(context: StepContext, server: "Server") -> bool:
    """Whether it is where it was asked for, or at least on a host that was eligible when it was placed."""
    line = context.ledger.find("server", ROLE)
    asked = line.details.get("host") if line else None
    judged = context.result("place").get("placement", {}).get("hosts", ())
    fit = {each["host"] for each in judged if each["verdict"] == "fit"}
    # an older release asked for none
    return asked is None or server.host in {asked, *fit}


def _next_best(context: StepContext, host: str, why: str) -> Failed | Retry:
    """Remember the refusal, take away what is there, and have the next best host tried; Failed if that is no use."""
    context.reservations.refuse(host, why)
    mine = context.reservations.mine()
    tried = mine.refused if mine else {}
    if len(tried) >= _HOSTS:
        faults = "; ".join(f"{name}: {reason}" for name, reason in sorted(tried.items()))
        return Failed(
            f"the server did not come up on any of {len(tried)} hosts: {faults}",
            code="live-update.surrogate.failed",
            remedy="see the faults; a volume that cannot be attached is a usual cause",
        )
    context.event("placement.refused", host=host, reason=why)
    unmake(context, "server", ROLE)
    return Retry(0.0, f"{host} did not take it ({why}): the next best is tried", counts=False)


STEP = Step("provision", "Boot the surrogate", probe, apply, undo, timeout=1800)
