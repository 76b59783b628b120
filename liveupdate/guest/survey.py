"""What is on the boot set, kept from look to look, so that the next one asks ``find`` only for what is newer.

Telling of every entry is what takes ``find`` most of its time. What changed has a newer ctime; what came or went has
changed its directory's; and what came with a directory that was renamed is looked for there.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import NamedTuple

from .errors import GuestError
from .scan import Entry, scan, starts
from .scope import Scope, parent

#: How much earlier, in seconds, than it was the kernel may say that something has changed: its clock for this ticks.
TICK = 0.1


class _Moment(NamedTuple):
    """When a look began, by both clocks, in seconds."""

    realtime: float
    monotonic: float


class Survey:
    """Looks at everything first, then at ``changes``."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        #: Each directory's names, with inode and whether it is a directory.
        self._folders: dict[bytes, dict[bytes, tuple[int, bool]]] = {}
        self._began = _Moment(0.0, 0.0)
        #: Records from a time to come, of a clock that was wrong: newer than anything, yet not changed.
        self._ahead: set[bytes] = set()

    def directory(self, path: bytes) -> bool:
        """Was the path a directory at the last look?"""
        return path in self._folders

    def everything(self) -> list[Entry]:
        """All that the scope's rules hold, after the disks have been flushed. Raises GuestError."""
        began = _now()
        self._flush()
        records = scan(self._scope)
        self._folders = {}
        entries = [Entry.of(record) for record in records]
        for entry in entries:
            self._add(entry.path, entry.inode, entry.kind == b"d")
        self._end(began, records)
        return entries

    def changes(self, *, flush: bool) -> tuple[set[bytes], set[bytes]]:
        """Paths that are new or changed since the last look began, and those that have gone. Raises GuestError.

        A change just before the last look is told again: a later one could have the same time.
        """
        began = _now()
        if flush:
            self._flush()
        records = scan(self._scope, newer=self._since(began))
        entries = [Entry.of(record) for record in records - self._ahead]
        changed = {entry.path for entry in entries}
        gone: set[bytes] = set()
        # where find begins, it does not see what has gone
        above = {parent(path) for path in starts(self._scope)}
        for folder in sorted(above.union(entry.path for entry in entries if entry.kind == b"d")):
            self._compare(folder, changed, gone)
        self._end(began, records)
        return changed, gone - changed

    def _since(self, began: _Moment) -> float:
        """The earliest time that a change after the last look can bear, should the clock have been set back since."""
        set_back = (self._began.realtime - self._began.monotonic) - (began.realtime - began.monotonic)
        return self._began.realtime - max(0.0, set_back) - TICK

    def _end(self, began: _Moment, records: set[bytes]) -> None:
        self._began = began
        soon = round((time.time() + TICK) * 1e9)
        self._ahead = {record for record in records if Entry.of(record).changed > soon}

    def _compare(self, folder: bytes, changed: set[bytes], gone: set[bytes]) -> None:
        before = self._folders.get(folder, {})
        try:
            here = self._list(folder)
        except (FileNotFoundError, NotADirectoryError):
            return  # gone since find has seen it: the next look tells
        for name in before.keys() - here.keys():
            gone.update(self._drop(_join(folder, name)))
        for name, found in here.items():
            if before.get(name) != found:
                path = _join(folder, name)
                gone.update(self._drop(path))
                changed.add(path)
                self._add(path, *found)
                if found[1]:
                    for entry in map(Entry.of, scan(self._scope, [path])):
                        changed.add(entry.path)
                        self._add(entry.path, entry.inode, entry.kind == b"d")

    def _list(self, folder: bytes) -> dict[bytes, tuple[int, bool]]:
        with os.scandir(os.path.join(os.fsencode(self._scope.root), folder)) as entries:
            return {
                entry.name: (self._inode(_join(folder, entry.name), entry), entry.is_dir(follow_symlinks=False))
                for entry in entries
                if self._scope.holds(_join(folder, entry.name))
            }

    def _inode(self, path: bytes, entry: os.DirEntry[bytes]) -> int:
        """As find tells it: of what is mounted there, not of what that hides."""
        return entry.stat(follow_symlinks=False).st_ino if path in self._scope.systems else entry.inode()

    def _flush(self) -> None:
        for place in self._scope.file_systems():
            sync(place)

    def _add(self, path: bytes, inode: int, directory: bool) -> None:
        self._folders.setdefault(parent(path), {})[os.path.basename(path)] = (inode, directory)
        if directory:
            self._folders.setdefault(path, {})

    def _drop(self, path: bytes) -> set[bytes]:
        """Forget the path and all below it; returns what was there."""
        known = self._folders.get(parent(path), {}).pop(os.path.basename(path), None)
        dropped = {path} if known else set()
        for name in tuple(self._folders.get(path, ())):
            dropped |= self._drop(_join(path, name))
        self._folders.pop(path, None)
        return dropped


def _now() -> _Moment:
    return _Moment(time.time(), time.monotonic())


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder else name


def sync(root: str) -> None:
    """Write what the cache of the file system at ``root`` holds; afterwards every write changes a ctime again."""
    at = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(at):
            number = ctypes.get_errno()
            raise GuestError("guest.disk-failed", f"{root}: {os.strerror(number)}", "look at the server's disks")
    finally:
        os.close(at)
