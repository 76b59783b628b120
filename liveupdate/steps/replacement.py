"""One server takes another's place: its volumes take over what the old ones were, and the old ones are put aside."""

from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.model import Resource
from liveupdate.planning.boot_set import is_root, members
from liveupdate.steps.fallback import role_of
from liveupdate.steps.protocol import StepContext

#: Server metadata that tells users of Heat and Terraform what happened.
REPLACES = "liveupdate:replaces"
#: Metadata of an old volume: the one in its place, and the server.
REPLACED_BY, _FALLBACK_OF = "liveupdate:replaced_by", "liveupdate:fallback_of"


def take_volume(context: StepContext, server_id: str, volume: dict[str, Any]) -> None:
    """The ledger's volume "mirror" (of any but the one booted from "mirror-<id>") takes the place of ``volume``, by
    name too.

    The old one becomes a part of the fallback: named and marked so, with a line of the ledger that the fallback's end
    in this job closes (docs/decisions/0001).
    """
    volumes, role = context.user_cloud().volumes, role_of(volume)
    line = context.ledger.find("volume", mirror_role(volume["id"], root=is_root(volume)))
    if line is None:
        return
    volumes.update(line.cloud_id, volume["name"], volume["description"], volume["metadata"])
    told = {"size": volume["size"], "type": volume["type"], "boot": volume["boot"]}
    old = context.ledger.intend("volume", role, {**told, "dies": volume["delete_on_termination"]})
    _put_aside(context, old, volume, line.cloud_id, server_id)
    context.ledger.created(old, volume["id"])
    context.ledger.kept(line)


def mirror_role(volume_id: str, *, root: bool) -> str:
    """The ledger's role of the volume that takes the place of this one; ``root``: which is booted from."""
    return "mirror" if root else f"mirror-{volume_id[:8]}"


def _put_aside(context: StepContext, line: Resource, volume: dict[str, Any], instead: str, server_id: str) -> None:
    volumes = context.user_cloud().volumes
    old = volumes.get(volume["id"])
    if old and not old.servers:
        told = {REPLACED_BY: instead, _FALLBACK_OF: server_id, **marks.metadata(line.job_id, line.role)}
        what = f"{'boot volume' if volume['boot'] else 'data volume'} of {volume['name']} before job {line.job_id}"
        volumes.update(old.id, line.name, what, volume["metadata"] | told)


def original_port(context: StepContext) -> dict[str, Any]:
    """As the preflight saw it."""
    port: dict[str, Any] = context.result("preflight")["server"]["ports"][0]
    return port


def boot_volumes(context: StepContext) -> list[dict[str, Any]]:
    """As the preflight saw them, in the order of boot; none if the root disk lies on the server's host."""
    return members(context.result("preflight")["server"]["volumes"])


def instead(context: StepContext) -> dict[str, str]:
    """Each volume that is replaced → the one in its place. An older release's update told of one boot volume's."""
    told = context.result("mirror")
    return told.get("instead") or {v["id"]: told["volume_id"] for v in boot_volumes(context)}


def disks(context: StepContext) -> list[str]:
    """The boot set's new volumes beside the one that is booted from."""
    return [instead(context)[v["id"]] for v in boot_volumes(context) if not is_root(v)]
