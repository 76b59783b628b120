"""Boot a server from the recalled volumes, on the port and with the data volumes of the one that it replaces.

Plays provision's part: the ledger's server "surrogate" takes the old one's place, on the host that place has chosen.
Nova's word is taken that it runs; its guest is not spoken to, since its host keys may be new. Undo: delete it, and see
it gone.
"""

from typing import Any

from liveupdate.model import Json, Resource
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.steps.provision import ROLE, bring_up, told, up
from liveupdate.steps.replacement import disks
from liveupdate.steps.resources import unmake
from liveupdate.steps.server_request import request


def probe(context: StepContext) -> Probe:
    server = up(context)
    return Probe(True, told(context, server)) if server else NOT_DONE


def apply(context: StepContext) -> Json:
    plugged, recalled = context.result("unplug"), context.result("mirror")
    data = [recalled["instead"].get(volume_id, volume_id) for volume_id in plugged["volume_ids"]]

    def body(line: Resource) -> dict[str, Any]:
        return request(context, line, plugged["port_id"], recalled, [*disks(context), *data])

    return told(context, bring_up(context, body))


def undo(context: StepContext) -> None:
    unmake(context, "server", ROLE)


STEP = Step("boot_restored", "Boot from the fallback", probe, apply, undo, timeout=1800, part="provision")
