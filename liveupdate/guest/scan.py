"""A look at the boot set: one record for every entry in scope, made by ``find`` so that it is quick."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
    devices = _devices(scope)
    begins = _by_device(scope, below or starts(scope), devices)
    prunes = _by_device(scope, _pruned(scope), devices)
    only = [] if newer is None else ["-newerct", f"@{newer:.3f}"]
    with ExitStack() as stack:
        # side by side, each in a file system of its own: numbers of inodes mean nothing in another one
        looks = [
            stack.enter_context(_looking(scope, [b"./" + path for path, _ in paths], _skip(prunes.get(at, ())) + only))
            for at, paths in begins.items()
        ]
        return {record for process, complaints in looks for record in _records(process, complaints)}


@contextmanager
def _looking(
    scope: Scope, begins: Sequence[bytes], conditions: Sequence[str]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program that looks, and a descriptor for what it complains of."""
    complaints = os.memfd_create("find")
    try:
        with subprocess.Popen(
            ["find", *begins, "-xdev", *conditions, "-printf", _FORMAT],
            cwd=scope.root,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            bufsize=0,
        ) as process:
            yield process, complaints
    finally:
        os.close(complaints)


def _records(process: subprocess.Popen[bytes], complaints: int) -> set[bytes]:
    """Taken apart while find is still looking."""
    found: set[bytes] = set()
    rest = b""
    while process.stdout and (piece := process.stdout.read(1 << 16)):
        records = (rest + piece).split(b"\0")
        rest = records.pop()
        found.update(records)
    process.wait()
    # a look that saw only half would make the other half seem deleted
    telling = [line for line in os.pread(complaints, 1 << 20, 0).splitlines() if not line.endswith(_WENT)]
    if telling or process.returncode not in (0, 1):
        why = telling[0].decode("utf-8", "replace") if telling else f"find ended with {process.returncode}"
        raise GuestError("guest.files-unreadable", why[:500], "look at the file systems of the server")
    return found


def starts(scope: Scope) -> list[bytes]:
    """Where to begin: what is held at the top, what is held below something that is not, and where another file system
    begins."""
    tops = [name for name in os.listdir(os.fsencode(scope.root)) if scope.holds(name)]
    below = [path for path, held in scope.rules.items() if held and b"/" in path and not scope.holds(parent(path))]
    return list(dict.fromkeys([*tops, *below, *(path for path in sorted(scope.systems) if scope.holds(path))]))


def _pruned(scope: Scope) -> list[bytes]:
    """Directories not to look into, but for those where no look begins."""
    return [path for path, held in scope.rules.items() if not held and scope.holds(parent(path)) and b"/" in path]


def _skip(pruned: Sequence[tuple[bytes, os.stat_result]]) -> list[str]:
    """For find: it compares numbers quicker than paths, and names need no care."""
    inodes = [str(status.st_ino) for _, status in pruned if stat.S_ISDIR(status.st_mode)]
    prunes = [word for inode in inodes for word in ("-o", "-inum", inode)][1:]
    return ["-type", "d", "(", *prunes, ")", "-prune", "-o"] if prunes else []


def _devices(scope: Scope) -> frozenset[int]:
    return frozenset(os.stat(place).st_dev for place in scope.file_systems())


def _by_device(
    scope: Scope, paths: Iterable[bytes], devices: frozenset[int]
) -> dict[int, list[tuple[bytes, os.stat_result]]]:
    """Of the paths those that are there, with their status, by file system of the boot set."""
    found: dict[int, list[tuple[bytes, os.stat_result]]] = {}
    for path in paths:
        try:
            status = os.lstat(os.path.join(os.fsencode(scope.root), path))
        except (FileNotFoundError, NotADirectoryError):
            continue
        if status.st_dev in devices:
            found.setdefault(status.st_dev, []).append((path, status))
    return found
