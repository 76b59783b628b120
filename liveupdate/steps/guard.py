"""Put the guard on the original's disk before it is copied: a copy that boots must not be a second original.

See liveupdate/guest/guard.py. Undo: take it away.
"""

from liveupdate.errors import Failed
from liveupdate.model import Json
from liveupdate.planning import move, units
from liveupdate.steps.gone import unless_gone
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext


def probe(context: StepContext) -> Probe:
    """Installing it again costs less than looking whether it is whole."""
    return NOT_DONE


def apply(context: StepContext) -> Json:
    found, reserved = context.result("preflight"), context.result("reserve_port")
    server_id, seen = found["server"]["id"], found["guest"].get("smbios_uuid")
    if seen != server_id:
        raise Failed(
            f"the guest's SMBIOS UUID is {str(seen)[:50]!r} and not its server's id",
            code="live-update.guard.unknown-machine",
            remedy="use a hypervisor that passes the server's id on",
        )
    port = found["server"]["ports"][0]
    link = {key: port[key] for key in ("mac", "prefix", "gateway", "mtu")}
    temporary = reserved.get("original_management")
    others = units.candidates(found["guest"], (), "")
    told = context.guest("original").oneshot(
        "guard_install",
        {
            "original_uuid": server_id,
            "management": {key: reserved["surrogate"][key] for key in ("mac", "address", "prefix", "gateway", "mtu")},
            # no workload leaves a server that is only copied
            "original_management": {**link, "address": temporary["address"]} if temporary else None,
            "workload": move.workload(found, context.job.parameters, others),
            "mounts": [mount["where"] for mount in move.data_mounts(found)],
            "disks": [v["serial"] for v in found["server"]["volumes"] if not v["boot"] and v["multiattach"]],
        },
    )
    return {key: told.get(key) for key in ("pid_base", "masked", "disks")}


def undo(context: StepContext) -> None:
    with unless_gone(context):
        guest = context.guest("original")
        guest.oneshot("guard_remove", {})
        guest.remove_agent()


STEP = Step("guard", "Guard the copy against starting the workload", probe, apply, undo)
