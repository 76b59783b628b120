"""Volumes that a guest attaches by itself, over iSCSI, by a Cinder attachment in its server's name: facts in, plan and
findings out. Pure.

``preflight``: its result. "server"."inside": [{id, type, multiattach, servers, attachment_id, protocol, targets:
[[portal, target, lun]]}]; "guest"."storage": as liveupdate/guest/storage.py tells it. Results of older releases have
neither.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liveupdate.model import Finding
from liveupdate.planning.checks import check

_REMEDY = "make its Cinder attachment with multipath: true in the connector, and log in to all portals"


def volumes(preflight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those that are handed over: the guest is logged in to them."""
    storage = _storage(preflight.get("guest", {}))
    return [v for v in preflight.get("server", {}).get("inside", ()) if _disks(v, storage)]


def mounts(preflight: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The file systems on them, as ``move.data_mounts`` describes them, with "volume_id"."""
    storage, found = _storage(preflight["guest"]), []
    for volume in volumes(preflight):
        for mount in _mounted(volume, storage, preflight["guest"].get("mounts", ())):
            known = {key: mount[key] for key in ("where", "fstype", "options")}
            found.append({**known, "device": mount["by_id"], "shared": True, "volume_id": volume["id"]})
    return found


def portals(preflight: Mapping[str, Any]) -> list[str]:
    """Every portal that the guest has a session with for them."""
    return sorted({portal for volume in volumes(preflight) for portal, _, _ in volume["targets"]})


def good_paths(volumes: Sequence[Mapping[str, Any]], storage: Mapping[str, Any]) -> dict[str, int]:
    """Volume id → how many of its paths work, by the map's word if there is one."""
    return {volume["id"]: _good(volume, storage) for volume in volumes}


def unmapped(guest: Mapping[str, Any]) -> list[list[str]]:
    """The devices of each disk that multipathd can be set up for: on several paths, in no map, in nobody's use."""
    storage = _storage(guest)
    used = {str(mount.get("block")) for mount in guest.get("mounts", ())}
    return [
        [disk["device"] for disk in disks]
        for disks in _several_paths(storage).values()
        if not any(disk["users"] or disk["device"] in used for disk in disks)
    ]


def judge(server: Mapping[str, Any], guest: Mapping[str, Any], minimum: int) -> Iterator[Finding]:
    """``minimum``: paths that every volume must have."""
    storage, known = _storage(guest), server.get("inside", ())
    for volume in known:
        if disks := _disks(volume, storage):
            alone = volume["servers"] == [server["id"]]
            yield from _volume(volume, disks, guest, minimum, alone=alone)
        else:
            told = "Cinder has it attached in the server's name, but the guest is not logged in: it is not handed over"
            yield _found("volume.inside-seen", volume, False, told, "log in to it, or delete the attachment", warn=True)
    yield from _foreign(known, storage)
    yield from _without_map(storage)


def _volume(
    volume: Mapping[str, Any],
    disks: Sequence[Mapping[str, Any]],
    guest: Mapping[str, Any],
    minimum: int,
    *,
    alone: bool,
) -> Iterator[Finding]:
    """``alone``: no other server has it."""
    storage = _storage(guest)
    yield _found(
        "volume.inside-shareable",
        volume,
        volume["multiattach"] and alone,
        "the guest attaches it itself, and it cannot be on the surrogate at the same time",
        "retype it to a multiattach type, and take it off other servers",
    )
    used = sorted({user for disk in disks for user in disk["users"]})
    yield _found(
        "volume.inside-whole",
        volume,
        not used,
        f"it is used by {', '.join(used)[:200]}: partitions and LVM on it are not handed over yet",
        "put the file system on the whole volume",
    )
    stable = all(mount["by_id"] for mount in _mounted(volume, storage, guest.get("mounts", ())))
    yield _found(
        "volume.inside-stable-name",
        volume,
        stable,
        "its file system's device has no name in /dev/disk/by-id",
        "see the guest's udev",
    )
    good = _good(volume, storage)
    yield _found(
        "volume.paths",
        volume,
        good >= minimum,
        f"the guest has it over {good} of the {minimum} paths that are demanded",
        _REMEDY,
    )
    yield _found(
        "volume.inside-paths",
        volume,
        good >= len(volume["targets"]),
        f"{good} of its {len(volume['targets'])} paths work",
        "see the portals and multipathd's journal in the guest",
        warn=True,
    )
    yield _found(
        "guest.multipath-tools",
        volume,
        len(volume["targets"]) == 1 or bool(guest.get("tools", {}).get("multipathd")),
        f"it has {len(volume['targets'])} paths, and multipathd is not installed",
        "apt-get install multipath-tools",
    )


def _without_map(storage: Mapping[str, Any]) -> Iterator[Finding]:
    for wwid, seen in sorted(_several_paths(storage).items()):
        yield check(
            "guest.multipath",
            False,
            f"{', '.join(disk['device'] for disk in seen)} are one disk, and no multipath map is made of them: "
            "if one path fails, so does what uses it",
            "the surrogate gets a map; for this server set multipathd up, and mount the map",
            subject=wwid,
            warn=True,
        )


def _foreign(known: Sequence[Mapping[str, Any]], storage: Mapping[str, Any]) -> Iterator[Finding]:
    ours = {target for volume in known for _, target, _ in volume["targets"]}
    foreign = sorted({session["target"] for session in storage["sessions"]} - ours)
    yield check(
        "guest.foreign-storage",
        not foreign,
        f"the guest is logged in to {', '.join(foreign)[:300]}, which Cinder has not attached in the server's name",
        "make a Cinder attachment for it in the server's name, or log out",
    )


def _storage(guest: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"sessions": [], "disks": [], "maps": [], **(guest.get("storage") or {})}


def _disks(volume: Mapping[str, Any], storage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    wanted = {(target, lun) for _, target, lun in volume["targets"]}
    return [disk for disk in storage["disks"] if (disk["target"], disk["lun"]) in wanted]


def _map(disks: Sequence[Mapping[str, Any]], storage: Mapping[str, Any]) -> Mapping[str, Any] | None:
    devices = {disk["device"] for disk in disks}
    return next((m for m in storage["maps"] if devices & {path["device"] for path in m["paths"]}), None)


def _mounted(
    volume: Mapping[str, Any], storage: Mapping[str, Any], mounted: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    disks = _disks(volume, storage)
    made = _map(disks, storage)
    blocks = {disk["device"] for disk in disks} | ({made["device"]} if made else set())
    return [mount for mount in mounted if mount.get("block") in blocks]


def _good(volume: Mapping[str, Any], storage: Mapping[str, Any]) -> int:
    disks = _disks(volume, storage)
    if made := _map(disks, storage):
        return sum((path["dm_st"], path["chk_st"]) == ("active", "ready") for path in made["paths"])
    up = {(s["target"], s["portal"]) for s in storage["sessions"] if s["state"] == "LOGGED_IN"}
    return sum((disk["target"], disk["portal"]) in up for disk in disks)


def _several_paths(storage: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """WWID → disks, of those that are seen more than once and are in no map."""
    mapped = {path["device"] for made in storage["maps"] for path in made["paths"]}
    seen: dict[str, list[Mapping[str, Any]]] = {}
    for disk in storage["disks"]:
        if disk["wwid"] and disk["device"] not in mapped:
            seen.setdefault(disk["wwid"], []).append(disk)
    return {wwid: disks for wwid, disks in seen.items() if len(disks) > 1}


def _found(
    code: str, volume: Mapping[str, Any], fine: bool, detail: str, remedy: str, *, warn: bool = False
) -> Finding:
    return check(code, fine, detail, remedy, subject=volume["id"], warn=warn)
