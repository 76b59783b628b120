"""What a new server has told its console (guest/witness.py), and whether it is what it should be. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from liveupdate.guest.witness import BEGIN, END
from liveupdate.planning import golden

_BLOCK = re.compile(re.escape(BEGIN) + r"(.{1,20000}?)" + re.escape(END), re.DOTALL)
_FORMS = {
    "kernel": r"[A-Za-z0-9][A-Za-z0-9.+~_-]{0,100}",
    "machine": r"[0-9a-f]{64}",
    "uuid": r"[0-9A-Za-z-]{1,36}",
    "key": r"ssh-ed25519 [A-Za-z0-9+/]{68}",
    "disk": r"[!-~]{1,200}",
    "filesystem": r"[0-9A-Fa-f-]{4,36}",
}
_LINES = {word: re.compile(rf"^{word} ({form})\r*$", re.MULTILINE) for word, form in _FORMS.items()}
_ONCE = ("kernel", "machine", "uuid", "key")


@dataclass(frozen=True)
class Witness:
    """``machine_id`` is hashed; ``disks`` are their by-id names; ``filesystems`` are UUIDs."""

    kernel: str
    machine_id: str
    server_id: str
    host_key: str
    disks: tuple[str, ...]
    filesystems: frozenset[str]


def heard(console: str) -> Witness | None:
    """The last time that it was told whole: the kernel speaks in between."""
    for block in reversed(_BLOCK.findall(console)):
        told = {word: line.findall(block) for word, line in _LINES.items()}
        if all(len(told[word]) == 1 for word in _ONCE):
            kernel, machine, uuid, key = (told[word][0] for word in _ONCE)
            disks, found = tuple(told["disk"]), frozenset(told["filesystem"])
            return Witness(kernel, machine, uuid.lower(), key, disks, found)
    return None


def flaws(seen: Witness, server_id: str, serials: Sequence[str], image: Mapping[str, str]) -> list[str]:
    """Why it is not a server of its own from this image; ``serials``: of its volumes. ``image``: its properties."""
    wanted = image.get(golden.KERNEL, "")
    missing = [s for s in serials if not any(s in disk for disk in seen.disks)]
    lost = sorted(set(image.get(golden.FILESYSTEMS, "").split()) - seen.filesystems)
    found = [
        (seen.server_id != server_id, f"it says that it is server {seen.server_id}"),
        (seen.kernel != wanted, f"it runs {seen.kernel}, and the image has {wanted}"),
        (seen.machine_id == image.get(golden.MACHINE_ID), "it has the machine-id of the source"),
        (seen.host_key == image.get(golden.HOST_KEY), "it has the ssh host key of the source"),
        (bool(missing), f"it does not see its volumes {', '.join(missing)}"),
        (bool(lost), f"it does not see the captured file systems {', '.join(lost)}"),
    ]
    return [why for wrong, why in found if wrong]


def twins(seen: Mapping[str, Witness]) -> list[str]:
    """``seen``: name → what it told. Names of those that have the identity of another one."""
    clashes = []
    for of in ("machine_id", "host_key"):
        first: dict[str, str] = {}
        for name, witness in seen.items():
            other = first.setdefault(getattr(witness, of), name)
            if other != name:
                clashes.append(f"{name} has the {of.replace('_', ' ')} of {other}")
    return clashes
