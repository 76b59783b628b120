"""The boot set: the volume that a server boots from, and others that its operating system lies on. Facts in, plan and
findings out. Pure.

``volumes``: as in the preflight's result: "boot" of the boot set, "root" of the one that is booted from; results of
older releases tell no "root", and have one boot volume. All of the boot set is copied at once for the surrogate, and
its file systems are synchronised as the root is; nothing of it is handed over (docs/decisions/0016).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liveupdate.model import Finding, Json
from liveupdate.planning.checks import check

#: Metadata of a volume, an owner's word: "true" of the boot set, "false" a data volume, whatever is mounted on it.
WORD = "liveupdate:boot_set"
_WORDS = {"true": True, "false": False}
#: Never carried file by file: what lies here must be on the copy when it boots.
STATIC = re.compile(r"/(boot|efi|usr|bin|sbin|lib\w*)(/.*)?")
#: Of these, what is never synchronised, so that nobody needs to find it mounted.
_NEVER = re.compile(r"/|/(boot|efi)(/.*)?")
#: Besides, what packages and the system itself write to all the time.
_WRITTEN = re.compile(r"/|/etc|/var|/var/(lib|log|cache|tmp)")
#: Packages may write here; what an owner calls data is data.
_PERHAPS = re.compile(r"/opt")
#: Whose files can be synchronised while they change, and which hold still for a snapshot.
_KINDS = frozenset({"ext2", "ext3", "ext4", "xfs", "f2fs", "jfs"})
#: Names in /etc/fstab that a copy of the disk has, too.
_NAMES = re.compile(r"((UUID|LABEL|PARTUUID|PARTLABEL)=|/dev/disk/by-(uuid|label|partuuid|partlabel)/).+")
_MOST = 10

Volume = Mapping[str, Any]


def has_root(volumes: Sequence[Volume]) -> bool:
    """Whether one of them is booted from, and not a disk on the host."""
    return sum(map(is_root, volumes)) == 1


def is_root(volume: Volume) -> bool:
    return bool(volume.get("root", volume["boot"]))


def members(volumes: Sequence[Volume]) -> list[dict[str, Any]]:
    """The boot set, in the order of boot: what is booted from is the first."""
    return sorted((dict(v) for v in volumes if v["boot"]), key=lambda v: not is_root(v))


def decide(volumes: Sequence[Volume], guest: Json) -> list[dict[str, Any]]:
    """The same volumes, with what the guest has mounted and their owners' words considered. ``guest``: from inspect."""
    return [{**v, "root": is_root(v), "boot": is_root(v) or _is_member(v, guest)} for v in volumes]


def systems(preflight: Json) -> list[dict[str, str]]:
    """The file systems of the boot set beside the root whose files are synchronised: {"where", "volume_id"}."""
    guest, found = preflight.get("guest", {}), []
    for volume in members(preflight["server"]["volumes"]):
        # an older release has let none pass
        known = on(guest, volume) if "root" in volume else []
        found += [{"where": m["where"], "volume_id": volume["id"]} for m in known if _comes_along(m, volume, guest)]
    return found


def judge(server: Json, guest: Json) -> Iterator[Finding]:
    """``server``: with its volumes as decided."""
    for volume in server["volumes"]:
        if not is_root(volume):
            yield from _belongs(volume, guest, local_root=bool(server.get("image_id")))
            if volume["boot"]:
                yield from _copied(volume, guest)


def planned(volumes: Sequence[Volume], able: bool) -> Finding:
    """``able``: whether the job's plan is for several volumes."""
    return check(
        "volume.boot-set-plan",
        able or len(members(volumes)) < 2,
        "the operating system lies on several volumes, and the job was accepted by an API process of an older release",
        "restart that process with this release, and ask anew",
    )


def parts(volume: Volume, guest: Json) -> list[str]:
    """Where parts of the operating system are mounted from it."""
    needed, usual, _ = _sorted(volume, guest)
    return needed + usual


def on(guest: Json, volume: Volume) -> list[Json]:
    """What is mounted from the volume, directly or through layers of the guest's own."""
    return [m for m in guest.get("mounts", ()) if lies_on(m, volume["serial"])]


def lies_on(mount: Mapping[str, Any], serial: str) -> bool:
    return any(serial in str(name) for name in (mount.get("by_id", ""), *mount.get("disks", ())))


def listed(names: Sequence[str]) -> str:
    """A guest may mount whatever it likes."""
    shown = ", ".join(name[:100] for name in names[:_MOST])
    return f"{shown} and {len(names) - _MOST} more" if len(names) > _MOST else shown


def _is_member(volume: Volume, guest: Json) -> bool:
    needed, usual, other = _sorted(volume, guest)
    said = _said(volume)
    return bool(needed + usual and not other) if said is None else said


def _said(volume: Volume) -> bool | None:
    """None: the owner says nothing, or nothing that can be understood."""
    return _WORDS.get(volume.get("metadata", {}).get(WORD, ""))


def _sorted(volume: Volume, guest: Json) -> tuple[list[str], list[str], list[str]]:
    """Where the volume is mounted: what must be of the boot set, what is unless its owner objects, and the rest."""
    places = list(dict.fromkeys(str(m["where"]) for m in on(guest, volume)))
    needed = [p for p in places if STATIC.fullmatch(p) or _WRITTEN.fullmatch(p)]
    usual = [p for p in places if _PERHAPS.fullmatch(p)]
    return needed, usual, [p for p in places if p not in needed and p not in usual]


def _belongs(volume: Volume, guest: Json, *, local_root: bool) -> Iterator[Finding]:
    """Whether it is of the boot set: told if it is."""
    needed, usual, other = _sorted(volume, guest)
    said, system = _said(volume), needed + usual
    yield check(
        "owner.boot-set",
        said is not None or WORD not in volume.get("metadata", ()),
        f"its metadata {WORD} is neither true nor false",
        f"set {WORD} to one of these, or remove it",
        subject=volume["id"],
    )
    yield check(
        "volume.boot-set-not-data",
        not needed or said is not False,
        f"parts of the operating system lie on it ({listed(needed)}), and its owner's word, metadata {WORD}, is false",
        f"remove {WORD}, or move these parts onto the boot volume",
        subject=volume["id"],
    )
    yield check(
        "volume.boot-set-mixed",
        not system or volume["boot"] or said is False,
        f"parts of the operating system ({listed(system)}) and data ({listed(other)}) lie on it",
        f"give each a volume of its own, or set {WORD} to true: all of it is copied with the operating system",
        subject=volume["id"],
    )
    yield check(
        "volume.boot-set-unmounted",
        not said or bool(system + other),
        f"its owner's word, metadata {WORD}, is true, and nothing on it is mounted",
        f"mount it, or remove {WORD}",
        subject=volume["id"],
    )
    yield check(
        "volume.boot-set-local-root",
        not volume["boot"] or not local_root,
        f"parts of the operating system lie on it ({listed(system + other)}), and the root disk on the server's host: "
        "they cannot be copied at one moment",
        "move them onto the root disk, or plan a reboot for this server",
        subject=volume["id"],
    )
    yield check(
        "volume.boot-set",
        not volume["boot"],
        f"{listed(system + other)} belongs to the operating system: the volume is copied together with the boot volume",
        f"none is needed; if that is data, and no package writes to it, set {WORD} to false",
        subject=volume["id"],
        warn=True,
    )


def _copied(volume: Volume, guest: Json) -> Iterator[Finding]:
    """What a copy needs that boots by itself and is kept up to date until the cut-over."""
    mounts = on(guest, volume)
    unlike = [
        f"{m['where']} ({m['fstype']})"
        for m in mounts
        if m["fstype"] not in _KINDS and not _NEVER.fullmatch(m["where"])
    ]
    yield check(
        "volume.boot-set-file-system",
        not unlike,
        f"{listed(unlike)}: files of this kind of file system are not synchronised yet",
        f"use one of: {', '.join(sorted(_KINDS))}",
        subject=volume["id"],
    )
    unnamed = [m["where"] for m in mounts if _is_direct(m, volume) and not _is_named(m, guest)]
    yield check(
        "volume.boot-set-names",
        not unnamed,
        f"{listed(unnamed)} is not mounted at boot by a name that a copy of the volume has, too",
        "name it in /etc/fstab by UUID= or LABEL=, without noauto",
        subject=volume["id"],
    )


def _comes_along(mount: Json, volume: Volume, guest: Json) -> bool:
    fit = mount["fstype"] in _KINDS and not _NEVER.fullmatch(mount["where"])
    return fit and _is_direct(mount, volume) and _is_entry(mount, guest)


def _is_direct(mount: Json, volume: Volume) -> bool:
    return volume["serial"] in str(mount.get("by_id", ""))


def _is_named(mount: Json, guest: Json) -> bool:
    """It, or another place of the same file system: then this one is a bind mount, whose files are carried there."""
    same = [m for m in guest.get("mounts", ()) if m.get("device") == mount.get("device")]
    return any(_is_entry(m, guest) for m in same)


def _is_entry(mount: Json, guest: Json) -> bool:
    return any(
        entry["where"] == mount["where"]
        and _NAMES.fullmatch(str(entry["source"]))
        and not {"noauto", "bind"} & set(str(entry.get("options", "")).split(","))
        for entry in guest.get("fstab", ())
    )
