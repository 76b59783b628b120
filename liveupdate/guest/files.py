"""The boot set's files on their way: ``Departing`` finds and sends what has changed, ``Arriving`` puts it into place.

Paths are bytes, relative to the root, without a leading slash. In messages they are text with surrogate escapes.
"""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import IO, Any, NamedTuple

from . import archive, placing, survey
from .errors import GuestError
from .placing import Kept, Tree
from .scan import Entry, scan
from .scope import Scope, parent
from .survey import TICK, Survey

#: Rounds of the blackout, where what runs beside the workload disturbs the reading.
_REPEATS = 3
#: Conflicts told one by one.
_TOLD = 100


@dataclass(frozen=True)
class Round:
    """What has changed since the round before: ``paths`` parents first, ``deleted`` children first.

    ``bytes`` is what the paths take up on the disk: about what will travel.
    """

    paths: tuple[bytes, ...] = ()
    deleted: tuple[bytes, ...] = ()
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.paths or self.deleted)


@dataclass(frozen=True)
class Conflict:
    """A path that both machines have changed, and whose version is on the target now: ``source`` or ``target``."""

    path: str
    winner: str
    why: str


@dataclass(frozen=True)
class Report:
    """What one round did on the target; of its ``conflict_count`` conflicts the first."""

    files: int
    deleted: int
    conflicts: tuple[Conflict, ...] = ()
    conflict_count: int = 0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Known(NamedTuple):
    """An entry as the target tells it; ``own``: the target has changed it since the disk was copied."""

    path: bytes
    kind: bytes
    inode: int
    own: bool

    def as_text(self) -> str:
        told = b"%s%s %d %s" % (b"*" if self.own else b"=", self.kind, self.inode, self.path)
        return told.decode("utf-8", "surrogateescape")

    @classmethod
    def of(cls, text: str) -> Known:
        kind, inode, path = text.encode("utf-8", "surrogateescape").split(b" ", 2)
        return cls(path, kind[1:], int(inode), kind[:1] == b"*")


class Departing:
    """The source. ``since``: its clock when the target's disks were copied from its own.

    What one round has told, the next does not tell again: a round that could not be sent means ``first`` again.
    """

    def __init__(self, scope: Scope, since: float) -> None:
        self._scope = scope
        self._since = _nanoseconds(since - TICK)
        self._survey = Survey(scope)
        #: Did a file change, or go, while the last round was read?
        self._disturbed = False

    def first(self, known: Iterable[str]) -> Round:
        """All that differs from the target, which told ``known`` (``Arriving.known``). Raises GuestError."""
        here = {entry.path: entry for entry in self._survey.everything()}
        there = {entry.path: entry for entry in map(Known.of, known)}
        picked = {entry.path for entry in here.values() if self._differs(entry, here, there)}
        for path in tuple(picked):
            # directories which the target has lost
            while (path := parent(path)) and path in here and (path not in there or there[path].kind != b"d"):
                picked.add(path)
        return self._round(picked, (path for path in there.keys() - here.keys() if self._deleted(there[path], here)))

    def next(self, *, last: bool = False) -> Round:
        """What has changed since the round before. Raises GuestError.

        Flushes the disk first unless it is the ``last``, when nothing of the workload writes any more: a page that is
        mapped and already dirty is written to without a trace, a clean one is not.
        """
        return self._round(*self._survey.changes(flush=not last))

    def last(self) -> Iterator[Round]:
        """The rounds of the blackout, each to be written before the next is asked for: mostly one.

        More only if what still runs on the machine disturbs the reading.
        """
        for _ in range(_REPEATS):
            changes = self.next(last=True)
            if changes:
                self._disturbed = False
                yield changes
            if not (changes and self._disturbed):
                return

    def write(self, changes: Round, out: IO[bytes]) -> int:
        """The round's files as a GNU tar stream; returns the bytes. Raises GuestError(guest.files-unreadable).

        What has gone meanwhile is left out, what changes meanwhile comes again with the next round.
        """
        sent, self._disturbed = archive.write(self._scope.root, changes.paths, out)
        return sent

    def _round(self, changed: Iterable[bytes], gone: Iterable[bytes]) -> Round:
        # what a file system mounted just now hides has not gone
        self._scope.find_mounts()
        paths, deleted, size = [], [], 0
        for path in sorted(changed):
            if self._scope.covers(path, self._survey.directory(path)):
                status = self._status(path)
                if status and stat.S_ISSOCK(status.st_mode):
                    # the program that listens makes it; what it has replaced goes
                    deleted.append(path)
                else:
                    paths.append(path)
                    size += status.st_blocks * 512 if status else 0
        deleted += [path for path in gone if self._scope.covers(path, True)]
        return Round(tuple(paths), tuple(sorted(deleted, reverse=True)), size)

    def _status(self, path: bytes) -> os.stat_result | None:
        with suppress(OSError):
            return os.lstat(os.path.join(os.fsencode(self._scope.root), path))
        return None

    def _differs(self, entry: Entry, here: Mapping[bytes, Entry], there: Mapping[bytes, Known]) -> bool:
        """Changed since the copy, or moved by renaming a directory above it.

        In a directory that both have, the same by its number, what is old has been there before: if the target does
        not have it, the update has deleted it there.
        """
        path, above = entry.path, here.get(entry.path)
        while above is not None:
            if above.changed >= self._since:
                return True
            known = there.get(path)
            if known is not None and known.inode == above.inode:
                return False
            path = parent(path)
            above = here.get(path)
        return False

    def _deleted(self, entry: Known, here: Mapping[bytes, Entry]) -> bool:
        """Deleted here since the copy: then the directory it was in has changed since. What the target made stays."""
        path = entry.path
        while path := parent(path):
            if path in here:
                return not entry.own and here[path].changed >= self._since
        return not entry.own


class Arriving:
    """The target. ``since``: its clock when its disk was copied, or given up; what changed later changed here.

    ``memory``: a file in which it keeps what it has put into place itself, for a program that starts again.
    """

    def __init__(self, scope: Scope, since: float, memory: str | None = None) -> None:
        self._scope = scope
        self._since = _nanoseconds(since)
        self._memory = memory
        #: Put into place by us: path → (inode, ctime) as we left it.
        self._ours: dict[bytes, tuple[int, int]] = dict(_recall(memory)) if memory else {}
        self._conflicts: list[Conflict] = []
        #: Inodes that have lost a name in this round: their ctime says so at their other names.
        self._loosened: set[tuple[int, int]] = set()

    def known(self) -> list[str]:
        """What is here, for ``Departing.first``: one text for each entry in scope. Raises GuestError."""
        entries = [entry for entry in map(Entry.of, scan(self._scope)) if entry.kind != b"s"]
        return [
            Known(entry.path, entry.kind, entry.inode, self._own(entry.path, entry.inode, entry.changed)).as_text()
            for entry in entries
            if self._scope.covers(entry.path, entry.kind == b"d")
        ]

    def apply(self, stream: IO[bytes], deleted: Iterable[bytes]) -> Report:
        """Delete, then put into place, one round; reads the stream to its end.

        Raises GuestError: guest.files-cut-short, guest.bad-files, guest.files-refused (the disk is full, for one). What
        is in place by then stays; the whole round may come again.
        """
        # before anything is put to where a file system belongs that is not there
        self._scope.find_mounts()
        self._conflicts, self._loosened = [], set()
        placed: list[bytes] = []
        gone = 0
        with Tree(self._scope) as tree:
            try:
                for path in sorted(map(placing.checked, deleted), reverse=True):
                    gone += self._try(path, partial(self._delete, tree, path))
                for path, member, content in archive.read(stream):
                    if self._try(path, partial(self._put, tree, path, member, content)):
                        placed.append(path)
                tree.finish()
            finally:
                before = tree.touched.items()
                touched = [path for path, status in before if not self._own(path, status.st_ino, status.st_ctime_ns)]
                self._remember([*placed, *touched])
        return Report(len(placed), gone, tuple(self._conflicts[:_TOLD]), len(self._conflicts))

    def settle(self) -> None:
        """Wait until all that has been put into place is on the disk. May run beside the start of the workload."""
        for place in self._scope.file_systems():
            survey.sync(place)

    def clear(self) -> None:
        """Take away what a broken round may have left."""
        placing.clear(self._scope)

    def _try(self, path: bytes, act: Callable[[], bool]) -> bool:
        try:
            return act()
        except Kept as kept:
            self._tell(path, "target", str(kept))
            return False
        except OSError as error:
            raise GuestError(
                "guest.files-refused",
                f"/{path.decode('utf-8', 'replace')}: {error.strerror or error}",
                "make room on its file system, or lift what protects the file (chattr)",
            ) from error

    def _delete(self, tree: Tree, path: bytes) -> bool:
        status = tree.status(path)
        if status is None:
            return False
        directory = stat.S_ISDIR(status.st_mode)
        if not self._scope.covers(path, directory):
            raise Kept("deleted there, but not carried here")
        if not directory and self._conflicting(path, status):
            if self._scope.targets(path):
                raise Kept("deleted there, written by the update here")
            self._tell(path, "source", "deleted there, changed here")
        if not tree.delete(path):
            raise Kept("deleted there, a directory that is not empty here")
        return True

    def _put(self, tree: Tree, path: bytes, member: tarfile.TarInfo, content: tarfile.TarFile) -> bool:
        status = tree.status(path)
        directory = member.isdir() and (status is None or stat.S_ISDIR(status.st_mode))
        if not self._scope.covers(path, directory):
            raise Kept("changed there, but not carried here")
        if status is not None:
            own = self._conflicting(path, tree.touched.get(path, status))
            if own and _unlike(status, member):
                if self._scope.targets(path):
                    raise Kept("changed there, written by the update here")
                self._tell(path, "source", "changed on both machines")
        tree.put(path, member, content)
        return True

    def _conflicting(self, path: bytes, status: os.stat_result) -> bool:
        """Has something here been changed by others than us? It is about to be replaced."""
        inode = (status.st_dev, status.st_ino)
        own = self._own(path, status.st_ino, status.st_ctime_ns) and inode not in self._loosened
        if not own and status.st_nlink > 1:
            self._loosened.add(inode)
        return own

    def _own(self, path: bytes, inode: int, changed: int) -> bool:
        """Changed on this machine, by others than us?"""
        return changed >= self._since and self._ours.get(path) != (inode, changed)

    def _tell(self, path: bytes, winner: str, why: str) -> None:
        self._conflicts.append(Conflict(path.decode("utf-8", "backslashreplace"), winner, why))

    def _remember(self, paths: Iterable[bytes]) -> None:
        left: dict[bytes, tuple[int, int]] = {}
        for path in paths:
            # gone, or behind something that is no directory any more, a link to itself even
            with suppress(OSError):
                status = os.lstat(os.path.join(os.fsencode(self._scope.root), path))
                left[path] = (status.st_ino, status.st_ctime_ns)
        self._ours.update(left)
        if self._memory:
            with open(os.open(self._memory, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as file:
                file.writelines(b"%d %d %s\0" % (*known, path) for path, known in left.items())


def _unlike(status: os.stat_result, member: tarfile.TarInfo) -> bool:
    """Would putting the member there make a difference that somebody could miss?"""
    if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (member.mode, member.uid, member.gid):
        return True
    if stat.S_ISDIR(status.st_mode):
        return not member.isdir()
    return (status.st_size, status.st_mtime_ns) != (member.size, placing.times(member)[1])


def _recall(memory: str) -> Iterator[tuple[bytes, tuple[int, int]]]:
    with suppress(FileNotFoundError), open(memory, "rb") as file:
        # the last one may have been cut short by a kill: what ends it is missing
        for record in file.read().split(b"\0")[:-1]:
            inode, changed, path = record.split(b" ", 2)
            yield path, (int(inode), int(changed))


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
