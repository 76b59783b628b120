"""One server takes another's place: its boot volume takes over what the old one was, and the old one is put aside."""

from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.steps.fallback import BOOT_ROLE
from liveupdate.steps.protocol import StepContext

if TYPE_CHECKING:
    from liveupdate.model import Resource

#: Metadata of an old boot volume: the one in its place, and the server.
_REPLACED_BY, _FALLBACK_OF = "liveupdate:replaced_by", "liveupdate:fallback_of"


def take_volume(context: StepContext, server_id: str) -> None:
    """The ledger's volume "mirror" becomes the boot volume of ``server_id``, by name too.

    The old one becomes a part of the fallback: named and marked so, a line of the ledger that ``fallback.keep`` or
    ``fallback.drop`` closes. (docs/decisions/0001)
    """
    volumes = context.user_cloud().volumes
    line = context.ledger.find("volume", "mirror")
    if line is None:
        return
    boot = boot_volume(context)
    volumes.update(line.cloud_id, boot["name"], boot["description"], boot["metadata"])
    details = {"size": boot["size"], "type": boot["type"], "boot": True, "dies": boot["delete_on_termination"]}
    old = context.ledger.intend("volume", BOOT_ROLE, details)
    _put_aside(context, old, boot, line.cloud_id, server_id)
    context.ledger.created(old, boot["id"])
    context.ledger.kept(line)


def _put_aside(context: StepContext, line: "Resource", boot: dict[str, Any], replaced_by: str, server_id: str) -> None:
    volumes = context.user_cloud().volumes
    old = volumes.get(boot["id"])
    if old and not old.servers:
        told = {_REPLACED_BY: replaced_by, _FALLBACK_OF: server_id, **marks.metadata(line.job_id, line.role)}
        described = f"boot volume of {boot['name']} before its update"
        volumes.update(old.id, line.name, described, boot["metadata"] | told)


def boot_volume(context: StepContext) -> dict[str, Any]:
    """As the preflight saw it."""
    volumes: list[dict[str, Any]] = context.result("preflight")["server"]["volumes"]
    return next(v for v in volumes if v["boot"])
