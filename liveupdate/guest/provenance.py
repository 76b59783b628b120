"""Where an image comes from: the kernel that boots, the packages, whose identity it was, what its disks hold."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import Any

from .external import find, run
from .small_files import first_line

#: The package managers' own lists, sorted: the same packages give the same sum.
_LISTS = {
    "dpkg-query": "dpkg-query -W -f '${db:Status-Abbrev} ${Package} ${Version} ${Architecture}\\n'",
    "rpm": "rpm -qa",
}


def provenance() -> dict[str, Any]:
    """{kernel, packages, machine_id (both sha256), host_key, filesystems}; filesystems: a disk's by-id name → UUIDs."""
    return {
        "kernel": os.uname().release,
        "packages": packages(),
        "machine_id": hashed("/etc/machine-id"),
        "host_key": " ".join(first_line("/etc/ssh/ssh_host_ed25519_key.pub").split()[:2]),
        "filesystems": filesystems(),
    }


def packages() -> str:
    """sha256 of the list of installed packages; "" where there is no package manager that we know."""
    for tool, words in _LISTS.items():
        if find(tool):
            return run(["sh", "-c", f"{words} | sort | sha256sum"], timeout=120).text[:64]
    return ""


def hashed(path: str) -> str:
    with suppress(OSError), open(path, "rb") as file:
        return hashlib.sha256(file.read(4096)).hexdigest()
    return ""


def filesystems(folder: str = "/dev/disk") -> dict[str, list[str]]:
    uuids: dict[str, list[str]] = {}
    for uuid, device in _links(f"{folder}/by-uuid"):
        uuids.setdefault(device, []).append(uuid)
    return {name: uuids[device] for name, device in _links(f"{folder}/by-id") if device in uuids}


def _links(folder: str) -> list[tuple[str, str]]:
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [(name, os.path.realpath(os.path.join(folder, name))) for name in names]
