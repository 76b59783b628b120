"""Connect the surrogate to the volumes that the guest itself attaches: an attachment and an initiator name of its own.

Log-in to every portal, a multipath map where there are several, nothing mounted: the cut-over only unmounts and mounts.
Where the original sees an unused disk on several paths, it gets multipathd, too. Undo: the attachments go, and what was
set up on the original; what is on the surrogate goes with it.
"""

import re
from collections.abc import Mapping
from typing import Any

from liveupdate.errors import Failed, GuestError
from liveupdate.model import Json, Resource
from liveupdate.planning import inside, roles
from liveupdate.steps.gone import unless_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.resources import make, unmake

KIND = "guest_attachment"
#: Seconds for log-ins and maps: a portal takes some, one that is silent fifteen.
_CONNECT = 180.0
_DEVICE = re.compile(r"/dev/disk/by-id/[\w.-]{1,200}")
_MOST_PATHS = 64


def probe(context: StepContext) -> Probe:
    """Whoever is connected is left as he is: it is quick to look again."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    found = context.result("preflight")
    volumes = inside.volumes(found)
    if disks := inside.unmapped(found.get("guest", {})):
        context.guest("original").oneshot("multipath_up", {"job": context.job.id, "disks": disks})
    if not volumes:
        return {"volumes": {}, "devices": {}}
    guest, surrogate = context.guest("surrogate"), context.result("provision")["server_id"]
    # the copy has the original's name: before anything else it gets its own
    name = str(guest.oneshot("initiator_own", {"server_id": surrogate}).get("initiator"))[:223]
    asked = [{"id": v["id"], **_attach(context, v, surrogate, name)} for v in volumes]
    try:
        told = guest.oneshot("storage_connect", {"job": context.job.id, "volumes": asked}, timeout=_CONNECT)
    except GuestError as error:
        if not error.code.startswith("guest."):
            # not the program's word: whether it has happened nobody knows
            raise
        raise Failed(
            error.detail,
            code=f"live-update.connect.{error.code.removeprefix('guest.')}",
            remedy=error.remedy or "see that the portals can be reached from the surrogate's network",
        ) from error
    connected = {
        volume["id"]: {"targets": volume["targets"], **_read(told.get("volumes", {}).get(volume["id"]))}
        for volume in asked
    }
    _require(context, volumes, connected)
    devices = {m["where"]: connected[m["volume_id"]]["device"] for m in inside.mounts(found)}
    return {"initiator": name, "volumes": connected, "devices": devices}


def undo(context: StepContext) -> None:
    found = context.result("preflight")
    for volume in inside.volumes(found):
        unmake(context, KIND, roles.inside(volume["id"]))
    if inside.unmapped(found.get("guest", {})):
        with unless_gone(context):
            context.guest("original").oneshot("multipath_down", {"job": context.job.id})


def good_paths(context: StepContext, side: str) -> dict[str, int]:
    """Of each volume that the guest attaches: how many of its paths work there now; {} if it cannot tell."""
    volumes = inside.volumes(context.result("preflight"))
    if not volumes:
        return {}
    if side == "surrogate":
        volumes = [{"id": id, "targets": told["targets"]} for id, told in context.result("connect")["volumes"].items()]
    try:
        return inside.good_paths(volumes, context.guest(side).oneshot("storage", {}))
    except GuestError:
        return {}


def portals(context: StepContext) -> list[str]:
    """Those that the surrogate has sessions with."""
    known = context.result("connect").get("volumes", {}).values()
    return sorted({portal for told in known for portal, _, _ in told["targets"]})


def release(context: StepContext) -> None:
    """The original is gone: so are its attachments; the surrogate's stay."""
    attachments = context.service_cloud().attachments
    for volume in context.result("preflight")["server"].get("inside", ()):
        attachments.delete(volume["attachment_id"])
    for line in context.ledger.open():
        if line.kind == KIND:
            context.ledger.kept(line)


def _attach(context: StepContext, volume: Mapping[str, Any], surrogate: str, initiator: str) -> dict[str, Any]:
    """{targets, user, secret}: the secret goes to the guest, and neither ledger nor journal sees it."""
    connector = {
        "initiator": initiator,
        "multipath": len(volume["targets"]) > 1,
        "host": context.result("preflight")["server"]["hostname"],
        "ip": context.result("reserve_port")["surrogate"]["address"],
        "platform": context.result("preflight")["guest"].get("architecture", "x86_64"),
        "os_type": "linux",
    }
    attachments = context.user_cloud().attachments

    def create(line: Resource) -> str:
        return attachments.create(volume["id"], surrogate, connector)

    made = make(context, KIND, roles.inside(volume["id"]), create, {"server_id": surrogate, "volume_id": volume["id"]})
    attachments.complete(made)
    access = attachments.access(made)
    targets = [[path.portal, path.target, path.lun] for path in access.paths]
    return {"targets": targets, "user": access.user, "secret": access.secret}


def _read(told: Any) -> dict[str, Any]:
    """What the guest says of a volume, no more of it than there can be. Raises Failed."""
    try:
        device, paths, missing = told["device"], told["paths"], told["missing"]
        if not _DEVICE.fullmatch(device) or len(paths) > _MOST_PATHS or len(missing) > _MOST_PATHS:
            raise ValueError
        return {
            "device": device,
            "paths": [{key: str(path[key])[:100] for key in ("device", "portal")} for path in paths],
            "missing": [str(portal)[:100] for portal in missing],
        }
    except (KeyError, TypeError, ValueError):
        raise Failed(
            "the surrogate does not tell what its volumes are connected by", code="live-update.connect.bad-answer"
        ) from None


def _require(context: StepContext, volumes: list[dict[str, Any]], told: Mapping[str, Any]) -> None:
    """A portal that the surrogate cannot reach is told of, as long as there are as many paths as are demanded."""
    minimum = context.result("preflight").get("minimum_paths", 1)
    for volume in volumes:
        paths, missing = len(told[volume["id"]]["paths"]), told[volume["id"]]["missing"]
        if paths < minimum:
            raise Failed(
                f"the surrogate has volume {volume['id']} over {paths} of the {minimum} paths that are demanded",
                code="live-update.volume.paths",
                remedy=f"see why it cannot reach {', '.join(missing)}",
            )
        for portal in missing:
            context.event("path.missing", on="surrogate", volume_id=volume["id"], portal=portal)


STEP = Step("connect", "Connect the volumes that the guest itself attaches", probe, apply, undo, timeout=1800)
