"""One server takes another's place: its volumes take over what the old ones were, and the old ones are put aside."""

from typing import Any

from liveupdate.drivers.cloud import marks
from liveupdate.model import Resource
from liveupdate.steps.fallback import role_of
from liveupdate.steps.protocol import StepContext

#: Server metadata that tells users of Heat and Terraform what happened.
REPLACES = "liveupdate:replaces"
#: Metadata of an old volume: the one in its place, and the server.
REPLACED_BY, _FALLBACK_OF = "liveupdate:replaced_by", "liveupdate:fallback_of"


def take_volume(context: StepContext, server_id: str, volume: dict[str, Any]) -> None:
    """The ledger's volume "mirror" (of a data volume "mirror-<id>") takes the place of ``volume``, by name too.

    The old one becomes a part of the fallback: named and marked so, with a line of the ledger that the fallback's end
    in this job closes (docs/decisions/0001).
    """
    volumes, role = context.user_cloud().volumes, role_of(volume)
    line = context.ledger.find("volume", mirror_role(volume["id"], boot=volume["boot"]))
    if line is None:
        return
    volumes.update(line.cloud_id, volume["name"], volume["description"], volume["metadata"])
    told = {"size": volume["size"], "type": volume["type"], "boot": volume["boot"]}
    old = context.ledger.intend("volume", role, {**told, "dies": volume["delete_on_termination"]})
    _put_aside(context, old, volume, line.cloud_id, server_id)
    context.ledger.created(old, volume["id"])
    context.ledger.kept(line)


def mirror_role(volume_id: str, *, boot: bool) -> str:
    """The ledger's role of the volume that takes the place of this one."""
    return "mirror" if boot else f"mirror-{volume_id[:8]}"


def _put_aside(context: StepContext, line: Resource, volume: dict[str, Any], instead: str, server_id: str) -> None:
    volumes = context.user_cloud().volumes
    old = volumes.get(volume["id"])
    if old and not old.servers:
        told = {REPLACED_BY: instead, _FALLBACK_OF: server_id, **marks.metadata(line.job_id, line.role)}
        what = f"{'boot volume' if volume['boot'] else 'data volume'} of {volume['name']} before job {line.job_id}"
        volumes.update(old.id, line.name, what, volume["metadata"] | told)


def boot_volumes(context: StepContext) -> list[dict[str, Any]]:
    """As the preflight saw them; none if the root disk lies on the server's host."""
    return [v for v in context.result("preflight")["server"]["volumes"] if v["boot"]]
