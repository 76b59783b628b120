"""CRIU as this program calls it: which options a unit needs, and what its log says when it fails."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from . import proc

#: What every dump and restore gets. Cgroups are systemd's; connections, locks and stdout are the unit's own.
COMMON = (
    "--tcp-established", "--file-locks", "--ext-unix-sk", "--shell-job", "--manage-cgroups=ignore",
    "--network-lock", "nftables",
)  # fmt: skip
#: Deleted files up to this size travel inside the images.
DUMP = ("--link-remap", "--ghost-limit", "64M")
ERROR = re.compile(r"^(?:\([\d.]+\) )?(?:pie: \d+: )?Error +\([^)]*\): (.*)")
#: CRIU's last words repeat that it failed; the first say why.
LAST_WORDS = ("Dumping FAILED", "Pre-dumping FAILED", "Can't dump task")
#: What CRIU says → what an operator can do about it.
HINTS = (
    ("userns", "the unit runs in a user namespace (sandboxing): hand it over by restart, or relax the sandboxing"),
    ("mnt", "the unit has its own mount namespace (PrivateTmp, Protect…): hand it over by restart, or relax it"),
    ("sysv", "the unit uses System V shared memory of the machine: hand it over by restart"),
    ("ipc", "the unit uses System V shared memory of the machine: hand it over by restart"),
    ("io_uring", "the unit uses io_uring: hand it over by restart, or turn io_uring off in its configuration"),
    ("tty", "the unit holds a terminal: hand it over by restart"),
    ("device", "the unit holds a device open: hand it over by restart"),
)


def external_sockets(pids: Iterable[int]) -> set[int]:
    """Inodes behind stdout and stderr that are sockets: the journal's ends, given anew at the restore."""
    found = set()
    for pid in pids:
        files = proc.open_files(pid)
        for number in (1, 2):
            match = proc.SOCKET.fullmatch(files.get(number, ""))
            if match:
                found.add(int(match.group(1)))
    return found


def first_error(log: str) -> str:
    """The first error line of a CRIU log, without time and file; bounded."""
    try:
        with open(log, encoding="utf-8", errors="replace") as file:
            lines = file.read(1 << 20).splitlines()
    except OSError:
        return "CRIU left no log"
    found = [match.group(1) for match in map(ERROR.search, lines) if match]
    telling = [line for line in found if not line.startswith(LAST_WORDS)]
    return (telling or found or lines[-1:] or ["CRIU gave no reason"])[0].strip()[:300]


def hint(reason: str) -> str:
    told = reason.lower()
    return next((text for sign, text in HINTS if sign in told), "hand the unit over by restart")


def image_bytes(folder: str) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(parent, name)).st_size for name in names)
    return total
