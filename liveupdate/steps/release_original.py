"""The surrogate takes the original's place for good, and the original goes.

Verify first, delete last of what can be: the workload is asked how it is, before the original is stopped and again
before it is deleted. Then the original's own port moves to the surrogate, so that port id, MAC, address and floating
addresses live on; names, metadata, tags and what dies with a server become the original's. After the pivot, hence no
undo, unless the surrogate is lost while the original is there; every part looks before it acts, so that the whole may
be repeated from any point.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import host_keys
from liveupdate.errors import Failed, GuestError, LiveUpdateError, Retry
from liveupdate.model import Handover, Json
from liveupdate.steps import connect
from liveupdate.steps.cut_over import attached_to
from liveupdate.steps.gone import DELETING, delete, is_gone, require_surrogate
from liveupdate.steps.probe import stopped
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.replacement import REPLACES, boot_volumes, instead, original_port, take_volume
from liveupdate.steps.resources import exists, take_away, unmake, wait, watch_server

if TYPE_CHECKING:
    from liveupdate.drivers.cloud.servers import Server

#: Seconds for a guest to let go of a NIC, before it is asked again.
_UNPLUG = 30.0


def probe(context: StepContext) -> Probe:
    # the last part is the ledger's: as long as these lines are open, something is left to do
    last = (context.ledger.find("port", "surrogate"), context.ledger.find("server", "surrogate"))
    return NOT_DONE if any(last) else Probe(True, _result(context))


def apply(context: StepContext) -> Json:
    _retire_original(context)
    connect.release(context)
    try:
        _take_port(context)
        _take_volumes(context)
        _take_identity(context)
    except LiveUpdateError:
        if not is_gone(context, "surrogate"):
            raise
        _give_up(context)
    for volume in boot_volumes(context):
        take_volume(context, _surrogate(context), volume)
    line = context.ledger.find("server", "surrogate")
    if line:
        context.ledger.kept(line)
    return _result(context)


def undo(context: StepContext) -> None:
    """Only where the surrogate was lost first: the original has its port again, and what was to die with it.

    The undo of the cut-over starts it.
    """
    cloud, known = context.service_cloud(), context.job.server_id
    original, port = cloud.servers.get(known), cloud.ports.get(original_port(context)["id"])
    if original is None or original.task_state == DELETING:
        told = "the original is gone"
        raise Failed(told, code="live-update.release.no-undo", remedy="return to the fallback snapshot")
    if port and not port.device_id:
        cloud.servers.attach_port(known, port.id)
    died = {v["id"] for v in context.result("preflight")["server"]["volumes"] if v["delete_on_termination"]}
    # one that was handed over is not back yet, and comes back as Nova attaches it
    for volume in cloud.servers.volumes(known):
        if volume.volume_id in died and not volume.delete_on_termination:
            cloud.servers.set_delete_on_termination(known, volume.volume_id, True)


# -- the original goes -------------------------------------------------------------------------------------------------


def _retire_original(context: StepContext) -> None:
    original = context.service_cloud().servers.get(context.job.server_id)
    if original is not None and original.task_state != DELETING:
        _verify(context)
        _make_ready(context, original)
    delete(context, original, "the original")
    # its port lives on
    unmake(context, "address_pair", "management")


def _make_ready(context: StepContext, original: "Server") -> None:
    """It stops; then nothing that the surrogate uses may die with it."""
    servers, ports = context.service_cloud().servers, context.service_cloud().ports
    if original.status != "SHUTOFF":
        if not original.task_state:
            servers.stop(original.id)
        watch = watch_server(context.service_cloud(), original.id)
        raise Retry(3.0, "waits for the original to stop", watch=watch, counts=False)
    for volume in servers.volumes(original.id):
        if volume.delete_on_termination:
            servers.set_delete_on_termination(original.id, volume.volume_id, False)
    if (port := ports.get(original_port(context)["id"])) and port.device_id == original.id:
        ports.free(port.id)


def _verify(context: StepContext) -> None:
    """Raises Retry as long as the surrogate is not well: its attempts bound the patience, the original waits intact."""
    surrogate = context.service_cloud().servers.get(_surrogate(context))
    if surrogate is None:
        require_surrogate(context)
    if surrogate is None or surrogate.status != "ACTIVE":
        raise Retry(5.0, f"the surrogate is {surrogate.status if surrogate else 'gone'}: the original is not released")
    if sick := _sick(context):
        raise Retry(5.0, f"units are not well on the surrogate, the original is not released: {', '.join(sick)}")


def _sick(context: StepContext) -> list[str]:
    """Units that are not well on the surrogate. One that was restarted in hold knows of no move, but has its units."""
    try:
        told = context.guest("surrogate").agent().call("probe")
    except GuestError as error:
        if error.code != "guest.wrong-role":
            raise
        names = [u["name"] for u in context.result("preflight")["units"] if u["handover"] != Handover.LEAVE]
        return stopped(context, "surrogate", names)
    return sorted(name for name, unit in told.get("units", {}).items() if not unit.get("ok"))


def _give_up(context: StepContext) -> None:
    """Somebody has deleted the surrogate, too: its volumes take their place all the same, for whoever needs them."""
    context.event("progress", text="the surrogate is gone: nothing is left to take the original's place")
    for line in reversed(context.ledger.open()):
        if line.kind in ("port", "address_pair"):
            take_away(context, line)
        elif not exists(context, line):
            context.ledger.deleted(line)


# -- the surrogate takes its place -------------------------------------------------------------------------------------


def _take_port(context: StepContext) -> None:
    """The original's port to the surrogate, the address onto it in the guest, the surrogate's first port away."""
    surrogate, original = _surrogate(context), original_port(context)
    servers, ports = context.service_cloud().servers, context.service_cloud().ports
    port = ports.get(original["id"])
    if port is None:
        raise Failed(
            f"the original's port {original['id']} is gone",
            code="live-update.port.gone",
            remedy="the surrogate serves on its own port; make its address permanent by hand",
        )
    if not port.device_id:
        servers.attach_port(surrogate, port.id)
    wait(context, lambda: _on(context, port.id, surrogate), "the original's port on the surrogate")
    own = context.result("reserve_port")["surrogate"]["port_id"]
    if not _free(context, own):
        _adopt(context, original)
        servers.detach_port(surrogate, own)
        wait(context, lambda: _free(context, own), "the surrogate's first port to be free", patience=_UNPLUG)
    if line := context.ledger.find("address_pair", "surrogate"):
        # it goes with the port
        context.ledger.deleted(line)
    unmake(context, "port", "surrogate")
    unmake(context, "port", "management")


def _adopt(context: StepContext, original: dict[str, Any]) -> None:
    """In the guest: the address to the NIC that has come, connections included; then the guard away."""
    guest = context.guest("surrogate")
    guest.oneshot("adopt_nic", {key: original[key] for key in ("mac", "address", "prefix", "gateway", "mtu")})
    if portals := connect.portals(context):
        # before the address goes by which they were reached so far
        guest.oneshot("storage_source", {"portals": portals, "address": original["address"], "routed": False})
    # from here on a reboot starts everything by itself, as on any server
    guest.oneshot("guard_remove", {})


def _on(context: StepContext, port_id: str, server_id: str) -> bool | None:
    port = context.service_cloud().ports.get(port_id)
    return True if port and port.device_id == server_id and port.status == "ACTIVE" else None


def _free(context: StepContext, port_id: str) -> bool | None:
    port = context.service_cloud().ports.get(port_id)
    return True if port is None or not port.device_id else None


def _take_volumes(context: StepContext) -> None:
    """Data volumes that were not needed in the cut-over, since nothing on them was mounted."""
    surrogate, cloud = _surrogate(context), context.service_cloud()
    for data in context.result("preflight")["server"]["volumes"]:
        volume = None if data["boot"] else cloud.volumes.get(data["id"])
        if volume is None or surrogate in volume.servers:
            continue
        if volume.status in ("reserved", "attaching", "detaching"):
            raise Retry(1.0, f"volume {volume.id} is {volume.status}", counts=False)
        cloud.servers.attach_volume(surrogate, volume.id)
        wait(context, partial(attached_to, context, volume.id, surrogate), f"volume {volume.id} on the surrogate")


def _take_identity(context: StepContext) -> None:
    surrogate, original = _surrogate(context), context.result("preflight")["server"]
    servers = context.user_cloud().servers
    servers.rename(surrogate, original["name"], original["description"])
    told = {REPLACES: original["id"], host_keys.METADATA: context.result("preflight")["host_key"]}
    servers.set_metadata(surrogate, original["metadata"] | told)
    dies = {v["id"]: v["delete_on_termination"] for v in original["volumes"]}
    for old, new in instead(context).items():
        dies[new] = dies.pop(old)
    for volume in servers.volumes(surrogate):
        wanted = dies.get(volume.volume_id, volume.delete_on_termination)
        if wanted != volume.delete_on_termination:
            servers.set_delete_on_termination(surrogate, volume.volume_id, wanted)
    for line in context.ledger.open():
        if line.kind == "attachment" and line.details["server_id"] == surrogate:
            # made in the cut-over, which goes by what the guests tell: it may not have been written down
            made = line if line.cloud_id else context.ledger.created(line, str(line.details["volume_id"]))
            context.ledger.kept(made)
    # the job's own mark is one of the tags: it goes last, since the server is looked up by it
    servers.set_tags(surrogate, original["tags"])


def _surrogate(context: StepContext) -> str:
    return str(context.result("provision")["server_id"])


def _result(context: StepContext) -> dict[str, Any]:
    return {"deleted_server_id": context.job.server_id, "port_id": original_port(context)["id"]}


STEP = Step("release_original", "Release the original", probe, apply, undo, attempts=10, timeout=1800)
