"""CRIU as this program calls it: which options a unit needs, and what its log says when it fails."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping

from . import proc
from .errors import GuestError
from .external import Output, run

#: What every dump and restore gets. Cgroups are systemd's; connections, locks and stdout are the unit's own.
COMMON = (
    "--tcp-established", "--file-locks", "--ext-unix-sk", "--shell-job", "--manage-cgroups=ignore",
    "--network-lock", "nftables",
)  # fmt: skip
#: Deleted files up to this size travel inside the images.
DUMP = ("--link-remap", "--ghost-limit", "64M")
LOG = "dump.log"
#: Bytes of an image file that holds its magic numbers alone.
_EMPTY_IMAGE = 8
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


def pre_dump(pid: int, folder: str, before: str | None, timeout: float) -> Output:
    """Copy what has changed since ``before`` (a folder beside this one) while the tree runs on."""
    previous = ("--prev-images-dir", f"../{before}") if before else ()
    return _criu("pre-dump", "-t", str(pid), "--track-mem", *previous, folder=folder, timeout=timeout)


def dump(pid: int, folder: str, before: str | None, timeout: float, *, leave_running: bool = False) -> Output:
    """Dump the tree of ``pid``, which is gone afterwards unless it is left running; if this fails it runs on."""
    previous = ("--prev-images-dir", f"../{before}") if before else ()
    sockets = external_sockets(process.pid for process in proc.tree(pid))
    external = [word for inode in sorted(sockets) for word in ("--external", f"unix[{inode}]")]
    options = [*COMMON, *DUMP, *external, "--track-mem", *previous, *(["--leave-running"] if leave_running else [])]
    return _criu("dump", "-t", str(pid), *options, folder=folder, timeout=timeout)


def restore_script(folder: str, pid_file: str, streams: Mapping[int, int], *, stopped: bool) -> str:
    """A line of shell that restores the images; ``streams``: which socket stdout (1) and stderr (2) were.

    ``stopped`` processes are all there, and do nothing before they get SIGCONT.
    """
    given: dict[int, int] = {}
    for number, inode in sorted(streams.items()):
        given.setdefault(inode, number)
    inherit = [word for inode, fd in given.items() for word in ("--inherit-fd", f"fd[{fd + 2}]:socket:[{inode}]")]
    options = ["-D", folder, "--pidfile", pid_file, "-v1", "-o", "restore.log", *COMMON, *inherit]
    options += ["--leave-stopped"] if stopped else []
    # what CRIU's own children say is not the unit's output
    return f"rm -f {shlex.quote(pid_file)}\nexec criu restore -d {shlex.join(options)} 3>&1 4>&2 >/dev/null 2>&1\n"


def finished(folder: str) -> bool:
    """Whether a dump came to its good end there, whoever started it: its last act is to write these figures."""
    return os.path.exists(os.path.join(folder, "stats-dump"))


def linked_again(folder: str) -> bool:
    """Whether the dump may have made files of its own, beside open ones that had lost their name (link-remap)."""
    try:
        return os.path.getsize(os.path.join(folder, "remap-fpath.img")) > _EMPTY_IMAGE
    except FileNotFoundError:
        return False


def standard_streams(pid: int) -> dict[int, int]:
    """The sockets behind a process' stdout and stderr: {1: inode, 2: inode}; a stream that is none is left out."""
    files = proc.open_files(pid)
    matches = {number: proc.SOCKET.fullmatch(files.get(number, "")) for number in (1, 2)}
    return {number: int(match.group(1)) for number, match in matches.items() if match}


def require(output: Output, folder: str, code: str) -> None:
    """Raise GuestError(code) with CRIU's own reason if it failed."""
    if not output.ok:
        reason = first_error(os.path.join(folder, LOG))
        raise GuestError(code, reason, hint(reason))


def _criu(action: str, *words: str, folder: str, timeout: float) -> Output:
    return run(["criu", action, *words, "-D", folder, "-v1", "-o", LOG], timeout=timeout, check=False)


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
