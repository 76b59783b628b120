"""What each guest is told before a move: which units, addresses, mounts and files. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from liveupdate.model import Handover, Json
from liveupdate.planning import boot_set, inside

FORWARD, BACK = "forward", "back"


@dataclass(frozen=True)
class Sides:
    """Which server is the source and which the target: "original" or "surrogate"."""

    source: str
    target: str


def sides(parameters: Json) -> Sides:
    """From a step's parameters: a move back says so."""
    if parameters.get("direction") == BACK:
        return Sides("surrogate", "original")
    return Sides("original", "surrogate")


def describe(
    side: str,
    job_id: str,
    preflight: Mapping[str, Any],
    reserved: Mapping[str, Any],
    parameters: Mapping[str, Any],
    *,
    since: float,
    dead_man: float,
    open_within: float,
    devices: Mapping[str, str],
    serials: Mapping[str, str],
) -> dict[str, Any]:
    """The move as the guest on ``side`` needs it (liveupdate/guest/move.py). ``since``: by its clock, from 1970;
    ``devices``: where a mount has another stable name there than on the original; ``serials``: of the boot set's
    volumes, by their ids on the original."""
    port = preflight["server"]["ports"][0]
    mac = port["mac"] if side == "original" else reserved["surrogate"]["mac"]
    return {
        "job": job_id,
        "units": [{"name": u["name"], "handover": u["handover"], "health": u["health"]} for u in preflight["units"]],
        "addresses": [{"address": port["address"], "prefix": port["prefix"], "mac": mac}],
        "mounts": [{**m, "device": devices.get(m["where"], m["device"])} for m in data_mounts(preflight)],
        "systems": [
            {"where": system["where"], "serial": serials[system["volume_id"]]} for system in boot_set.systems(preflight)
        ],
        "files": {"since": since, "include": list(parameters.get("paths") or ()), "exclude": []},
        "dead_man_seconds": dead_man,
        "open_within_seconds": open_within,
    }


def data_mounts(preflight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The mounted file systems that lie on data volumes, by their volumes' serial numbers; and
    those on volumes that the guest attaches by itself."""
    volumes = {v["serial"]: v for v in preflight["server"]["volumes"] if not v["boot"]}
    found = []
    for mount in preflight["guest"].get("mounts", ()):
        by_id = mount.get("by_id") or ""
        volume = next((v for serial, v in volumes.items() if serial in by_id), None)
        if volume is not None:
            known = {key: mount[key] for key in ("where", "fstype", "options")}
            found.append({**known, "device": by_id, "shared": bool(volume["multiattach"])})
    return found + inside.mounts(preflight)


def handed_over(preflight: Mapping[str, Any]) -> list[str]:
    """Ids of the mounted data volumes that may be on one server only: the cut-over carries them over."""
    devices = [mount["device"] for mount in data_mounts(preflight) if not mount["shared"]]
    volumes = [v for v in preflight["server"]["volumes"] if not v["boot"]]
    return [v["id"] for v in volumes if any(v["serial"] in device for device in devices)]


def workload(preflight: Mapping[str, Any], parameters: Mapping[str, Any], others: Sequence[str]) -> list[str]:
    """The units that must not start by themselves on a copy: all but those that may run on both.

    ``others``: what else runs on the original and is not the system's own.
    """
    both = {u["name"] for u in preflight["units"] if u["handover"] == Handover.START}
    named = {u["name"] for u in preflight["units"]} | {u["name"] for u in parameters.get("units") or ()}
    return sorted((named | set(others)) - both)
