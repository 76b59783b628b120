"""What lies on which of a guest's disks, and whether all of it would come along: facts in, findings out. Pure.

The boot set travels with its copies and the files, a data volume as a whole. Whatever else is mounted and written to
would be lost between the copy and the cut-over, and stands in the way.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from liveupdate.model import Finding, Json
from liveupdate.planning import boot_set, inside
from liveupdate.planning.boot_set import listed
from liveupdate.planning.checks import check

#: File systems that nobody can write to, or whose files are elsewhere in the tree.
_UNWRITTEN = frozenset({"squashfs", "erofs", "udf", "overlay"})
#: Names that depend on the order in which disks are found.
_BY_ORDER = re.compile(r"/dev/(x?vd|sd|hd)[a-z]+\d*")


def judge(guest: Json, server: Json) -> list[Finding]:
    """``guest``: from inspect; ``server``: as in the preflight's result."""
    mounts: Sequence[Mapping[str, Any]] = guest.get("mounts", ())
    found = {"server": server, "guest": guest}
    apart = [v for v in server["volumes"] if not boot_set.is_root(v)]
    by_guest = {m["where"] for m in inside.mounts(found)}
    carried = {"/", *(s["where"] for s in boot_set.systems(found))}
    beside = [
        m for m in mounts if m["where"] not in by_guest and not any(boot_set.lies_on(m, v["serial"]) for v in apart)
    ]
    return [
        *boot_set.judge(server, guest),
        *(finding for volume in apart for finding in _volume(guest, volume)),
        _beside(beside, carried),
        *_fstab(guest, local=bool(server.get("local_disk"))),
    ]


def _volume(guest: Json, volume: Mapping[str, Any]) -> Iterator[Finding]:
    layered = [m["where"] for m in boot_set.on(guest, volume) if volume["serial"] not in str(m.get("by_id", ""))]
    yield check(
        "volume.layered",
        not layered,
        f"{listed(layered)} lies on it through LVM, RAID or encryption, which is not handed over yet",
        "put the file system onto the volume itself or a partition of it",
        subject=volume["id"],
    )
    swap = [s for s in guest.get("swaps", ()) if any(volume["serial"] in disk for disk in s.get("disks", ()))]
    yield check(
        "volume.swap",
        volume["boot"] or not swap,
        "the guest swaps to it: it cannot be taken away from under a running guest",
        "swapoff, or swap to the boot volume or to a swap disk of the flavor",
        subject=volume["id"],
    )


def _beside(mounts: Sequence[Mapping[str, Any]], carried: Collection[str]) -> Finding:
    """``carried``: where the file systems are mounted whose files are synchronised."""
    devices = {str(m.get("device", "")) for m in mounts if m["where"] in carried}
    left = [m["where"] for m in mounts if m["where"] not in carried and _is_left(m, devices)]
    return check(
        "guest.file-systems",
        not left,
        f"{listed(left)}: neither of the boot set, by a name that a copy has too, nor on a data volume (an ephemeral "
        "disk, or a partition without an entry in /etc/fstab): what is written there while the surrogate is made would "
        "be lost",
        "name it in /etc/fstab by UUID= or LABEL=, move the files onto a volume of their own, or unmount it",
    )


def _is_left(mount: Mapping[str, Any], carried: Collection[str]) -> bool:
    """``carried``: the devices of file systems whose files are synchronised."""
    device, kind = str(mount.get("device", "")), str(mount.get("fstype", ""))
    if boot_set.STATIC.fullmatch(mount["where"]) or kind in _UNWRITTEN:
        return False
    # a network's file system is the same on both; a bind mount's files are carried from where they really are
    elsewhere = not device.startswith("/dev/") or (device in carried and kind != "btrfs")
    return not elsewhere and "ro" not in str(mount.get("options", "")).split(",")


def _fstab(guest: Json, *, local: bool) -> Iterator[Finding]:
    table: Sequence[Mapping[str, Any]] = guest.get("fstab", ())
    by_order = [str(e["source"]) for e in table if _BY_ORDER.fullmatch(str(e["source"])) and e.get("fstype") != "swap"]
    yield check(
        "guest.fstab-names",
        not by_order,
        f"/etc/fstab names {listed(by_order)}: the updated server may find its disks in another order at its next boot",
        "name them in /etc/fstab by UUID=, LABEL= or /dev/disk/by-id/",
        warn=True,
    )
    if not local:
        return
    named = [str(e["source"]) for e in table if e.get("fstype") == "swap" and "=" in str(e["source"])]
    yield check(
        "guest.fstab-swap",
        not named,
        f"/etc/fstab names swap by {listed(named)}: a swap disk of the flavor is a new one on the surrogate, which "
        "would wait for this name at boot, and go on without it",
        "name the flavor's swap disk in /etc/fstab as Nova does, with the option nofail",
        warn=True,
    )
