"""What lies on which of a guest's disks, and whether all of it would come along: facts in, findings out. Pure.

The root file system travels with the mirror and the files, a data volume as a whole. Whatever else is mounted and
written to would be lost between the copy and the cut-over, and stands in the way.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liveupdate.model import Finding, Json
from liveupdate.planning import inside
from liveupdate.planning.checks import check

#: Of the operating system wherever they are mounted, and never carried over file by file.
_STATIC = re.compile(r"/(boot|efi|usr|bin|sbin|lib\w*)(/.*)?")
_SYSTEM = re.compile(r"/|/etc|/var|/var/(lib|log|cache)")
#: File systems that nobody can write to, or whose files are elsewhere in the tree.
_UNWRITTEN = frozenset({"squashfs", "erofs", "udf", "overlay"})
#: Names that depend on the order in which disks are found.
_BY_ORDER = re.compile(r"/dev/(x?vd|sd|hd)[a-z]+\d*")
_NAMED = 10


def judge(guest: Json, server: Json) -> list[Finding]:
    """``guest``: from inspect; ``server``: as in the preflight's result."""
    mounts: Sequence[Mapping[str, Any]] = guest.get("mounts", ())
    data = [v for v in server["volumes"] if not v["boot"]]
    serials = [v["serial"] for v in data]
    by_guest = {m["where"] for m in inside.mounts({"server": server, "guest": guest})}
    beside = [m for m in mounts if m["where"] not in by_guest and not any(_on(m, serial) for serial in serials)]
    return [
        *(finding for volume in data for finding in _volume(guest, volume)),
        _beside(beside),
        *_fstab(guest, local=bool(server.get("local_disk"))),
    ]


def _volume(guest: Json, volume: Mapping[str, Any]) -> Iterator[Finding]:
    on = [m for m in guest.get("mounts", ()) if _on(m, volume["serial"])]
    system = [m["where"] for m in on if _STATIC.fullmatch(m["where"]) or _SYSTEM.fullmatch(m["where"])]
    yield check(
        "volume.boot-set",
        not system,
        f"parts of the operating system lie on it ({_list(system)}): only one volume is mirrored yet",
        "move them onto the boot volume, or plan a reboot for this server",
        subject=volume["id"],
    )
    layered = [m["where"] for m in on if volume["serial"] not in str(m.get("by_id", ""))]
    yield check(
        "volume.layered",
        not layered or bool(system),
        f"{_list(layered)} lies on it through LVM, RAID or encryption, which is not handed over yet",
        "put the file system onto the volume itself or a partition of it",
        subject=volume["id"],
    )
    swap = [s for s in guest.get("swaps", ()) if any(volume["serial"] in disk for disk in s.get("disks", ()))]
    yield check(
        "volume.swap",
        not swap,
        "the guest swaps to it: it cannot be taken away from under a running guest",
        "swapoff, or swap to the boot volume or to a swap disk of the flavor",
        subject=volume["id"],
    )


def _beside(mounts: Sequence[Mapping[str, Any]]) -> Finding:
    root = next((str(m.get("device", "")) for m in mounts if m["where"] == "/"), "")
    left = [m["where"] for m in mounts if _is_left(m, root)]
    return check(
        "guest.file-systems",
        not left,
        f"{_list(left)}: neither on the root file system nor on a data volume (a partition, or an ephemeral disk): "
        "what is written there while the surrogate is made would be lost",
        "move the files onto the root file system or a volume of their own, or unmount it",
    )


def _is_left(mount: Mapping[str, Any], root: str) -> bool:
    device, kind = str(mount.get("device", "")), str(mount.get("fstype", ""))
    if mount["where"] == "/" or _STATIC.fullmatch(mount["where"]) or kind in _UNWRITTEN:
        return False
    # a network's file system is the same on both; a bind mount's files are carried from where they really are
    elsewhere = not device.startswith("/dev/") or (device == root and kind != "btrfs")
    return not elsewhere and "ro" not in str(mount.get("options", "")).split(",")


def _fstab(guest: Json, *, local: bool) -> Iterator[Finding]:
    table: Sequence[Mapping[str, Any]] = guest.get("fstab", ())
    by_order = [str(e["source"]) for e in table if _BY_ORDER.fullmatch(str(e["source"])) and e.get("fstype") != "swap"]
    yield check(
        "guest.fstab-names",
        not by_order,
        f"/etc/fstab names {_list(by_order)}: the updated server may find its disks in another order at its next boot",
        "name them in /etc/fstab by UUID=, LABEL= or /dev/disk/by-id/",
        warn=True,
    )
    if not local:
        return
    named = [str(e["source"]) for e in table if e.get("fstype") == "swap" and "=" in str(e["source"])]
    yield check(
        "guest.fstab-swap",
        not named,
        f"/etc/fstab names swap by {_list(named)}: a swap disk of the flavor is a new one on the surrogate, which "
        "would wait for this name at boot, and go on without it",
        "name the flavor's swap disk in /etc/fstab as Nova does, with the option nofail",
        warn=True,
    )


def _on(mount: Mapping[str, Any], serial: str) -> bool:
    """Directly, or through layers of the guest's own."""
    return any(serial in str(name) for name in (mount.get("by_id", ""), *mount.get("disks", ())))


def _list(names: Sequence[str]) -> str:
    """A guest may mount whatever it likes."""
    shown = ", ".join(name[:100] for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
