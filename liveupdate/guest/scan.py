"""A look at the root disk: one record for every entry in scope, made by ``find`` so that it is quick."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from .errors import GuestError
from .external import ENVIRONMENT
from .scope import Scope, parent

#: Two looks at an entry that has not changed give the same record. The path comes last: it may hold anything.
_FORMAT = r"%C@ %i %y %p\0"
#: Said of entries that went while find was under way.
_WENT = b": No such file or directory"


class Entry(NamedTuple):
    """``kind`` as find tells it: f, d, l, p, c, b, s; ``changed``: ctime in nanoseconds."""

    path: bytes
    kind: bytes
    inode: int
    changed: int

    @classmethod
    def of(cls, record: bytes) -> Entry:
        changed, inode, kind, path = record.split(b" ", 3)
        seconds, _, fraction = changed.partition(b".")
        return cls(path[2:], kind, int(inode), int(seconds + fraction[:9].ljust(9, b"0")))


def scan(scope: Scope, below: Iterable[bytes] = (), newer: float | None = None) -> set[bytes]:
    """The records of all that the scope's rules hold, or of what is at and below some paths.

    ``newer``: only what has changed after this time. Raises GuestError(guest.files-unreadable).
    """
    scope.find_mounts()
    begins = [b"./" + path for path in below or starts(scope) if _here(scope, path)]
    if not begins:
        return set()
    prunes = [word for inode in _prunes(scope) for word in ("-o", "-inum", str(inode))][1:]
    skip = ["-type", "d", "(", *prunes, ")", "-prune", "-o"] if prunes else []
    only = [] if newer is None else ["-newerct", f"@{newer:.3f}"]
    complaints = os.memfd_create("find")
    try:
        with subprocess.Popen(
            ["find", *begins, "-xdev", *skip, *only, "-printf", _FORMAT],
            cwd=scope.root,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
        ) as process:
            found = _records(process)
        # a look that saw only half would make the other half seem deleted
        lines = os.pread(complaints, 1 << 20, 0).splitlines()
        telling = [line for line in lines if not line.endswith(_WENT)]
        if telling or process.returncode not in (0, 1):
            why = telling[0].decode("utf-8", "replace") if telling else f"find ended with {process.returncode}"
            raise GuestError("guest.files-unreadable", why[:500], "look at the root file system of the server")
    finally:
        os.close(complaints)
    return found


def _records(process: subprocess.Popen[bytes]) -> set[bytes]:
    """Taken apart while find is still looking."""
    found: set[bytes] = set()
    rest = b""
    while process.stdout and (piece := process.stdout.read(1 << 16)):
        records = (rest + piece).split(b"\0")
        rest = records.pop()
        found.update(records)
    return found


def starts(scope: Scope) -> list[bytes]:
    """Where to begin: what is held at the top, and what is held below something that is not."""
    tops = [name for name in os.listdir(os.fsencode(scope.root)) if scope.holds(name)]
    below = [path for path, held in scope.rules.items() if held and b"/" in path and not scope.holds(parent(path))]
    return tops + below


def _prunes(scope: Scope) -> list[int]:
    """The inodes of directories not to look into: find compares numbers quicker than paths, and names need no care."""
    below = [path for path, held in scope.rules.items() if not held and scope.holds(parent(path)) and b"/" in path]
    found = [_here(scope, path) for path in below]
    return [status.st_ino for status in found if status and stat.S_ISDIR(status.st_mode)]


def _here(scope: Scope, path: bytes) -> os.stat_result | None:
    """The path's status if it is there, on the root's own file system."""
    try:
        status = os.lstat(os.path.join(os.fsencode(scope.root), path))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status if status.st_dev == os.stat(scope.root).st_dev else None
