"""How each data volume gets from one server to the other, why so, and what that took of the blackout. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from liveupdate.model import Json

MULTIATTACH, DETACH = "multiattach", "detach-attach"


def way(volume: Mapping[str, Any]) -> tuple[str, str]:
    """The way of a data volume, as the preflight describes it, and the reason, for people."""
    if volume["multiattach"]:
        return MULTIATTACH, (
            "its type allows two servers: it is attached to the surrogate beforehand, read-only there, and in the "
            "blackout only unmounted here and mounted there"
        )
    kind = f" {volume['type']}" if volume.get("type") else ""
    return DETACH, f"its type{kind} allows one server at a time: it is detached and attached inside the blackout"


def report(
    volumes: Sequence[Mapping[str, Any]], mounts: Sequence[Json], timeline: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One entry per data volume: {volume_id, way, reason, mounts, disk_ms, unmount_ms, attach_ms, mount_ms}.

    ``disk_ms`` is the disk's part of the blackout: what unmounting and mounting took, and from the one's end until the
    device was there on the other side (nothing, if it has been there before). ``mounts``: move.data_mounts';
    ``timeline``: the guests'. None where that does not tell.
    """
    moments = {str(entry["name"]).removeprefix("target "): float(entry["ms"]) for entry in timeline}
    told = []
    for volume in volumes:
        chosen, reason = way(volume)
        places = [m["where"] for m in mounts if volume["serial"] in m["device"]]
        entry = {"volume_id": volume["id"], "way": chosen, "reason": reason, "mounts": places}
        told.append({**entry, **_took(places, moments)})
    return told


def _took(places: Sequence[str], moments: Mapping[str, float]) -> dict[str, int | None]:
    needed = [f"{what} {p}" for p in places for what in ("unmounting", "unmounted", "attached", "mounting", "mounted")]
    if not needed or any(name not in moments for name in needed):
        return dict.fromkeys(("disk_ms", "unmount_ms", "attach_ms", "mount_ms"))
    unmount = sum(moments[f"unmounted {p}"] - moments[f"unmounting {p}"] for p in places)
    mount = sum(moments[f"mounted {p}"] - moments[f"mounting {p}"] for p in places)
    let_go = max(moments[f"unmounted {p}"] for p in places)
    attach = max(0.0, *(moments[f"attached {p}"] - let_go for p in places))
    parts = {"unmount_ms": unmount, "attach_ms": attach, "mount_ms": mount}
    return {"disk_ms": round(sum(parts.values())), **{name: round(ms) for name, ms in parts.items()}}
