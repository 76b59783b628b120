"""Two root file systems in a directory: a source and its copy, as an update has them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from liveupdate.guest import survey
from liveupdate.guest.files import Arriving, Departing, Known, Report, Round
from liveupdate.guest.scope import Scope

#: What the program allows here for the ticks of the kernel's clock for changes.
TICK = 0.012
#: Those of Linux that tick with it; Python has no names for them.
_REALTIME_COARSE, _MONOTONIC_COARSE = 5, 6


def moment() -> survey._Moment:
    """By the clock for changes."""
    return survey._Moment(time.clock_gettime(_REALTIME_COARSE), time.clock_gettime(_MONOTONIC_COARSE))


def pause() -> None:
    """Let the clock for changes go on, so that what comes next is later than what was."""
    end = time.time() + TICK
    while moment().realtime <= end:
        time.sleep(0.001)


class Roots:
    """``source`` is filled, then ``copy`` makes ``target``; afterwards ``sync`` carries changes over.

    ``systems``: where file systems of the boot set are mounted in both.
    """

    def __init__(self, folder: Path, systems: Sequence[str] = ()) -> None:
        self.systems = [f"/{system}" for system in systems]
        self.source, self.target = folder / "source", folder / "target"
        self.include: tuple[str, ...] = ()
        self.exclude: tuple[str, ...] = ()
        self.since = 0.0
        for name in ("etc", "srv", "var/lib/dpkg/info", "var/log", "usr/local/bin", "usr/share"):
            (self.source / name).mkdir(parents=True, exist_ok=True)

    def copy(self) -> None:
        """Copy the source's disk, block by block as it were: numbers of inodes are the same on both."""
        subprocess.run(["cp", "-aT", str(self.source), str(self.target)], check=True)
        self._copied = {path: (inode, _inode(self.target / path)) for path, inode in self._inodes().items()}
        pause()
        self.since = time.time()
        pause()
        self.departing, self.arriving = self.sides()

    def sides(self) -> tuple[Departing, Arriving]:
        """Both programs as they start."""
        return Departing(self.scope("source"), self.since), Arriving(self.scope("target"), self.since)

    def scope(self, side: str) -> Scope:
        return Scope(self.include, self.exclude, str(getattr(self, side)), self.systems)

    def known(self) -> list[str]:
        told = map(Known.of, self.arriving.known())
        return [entry._replace(inode=self._number(entry)).as_text() for entry in told]

    def first(self) -> Report:
        return self.carry(self.departing.first(self.known()))

    def next(self) -> Report:
        return self.carry(self.departing.next())

    def carry(self, changes: Round) -> Report:
        stream = io.BytesIO()
        assert self.departing.write(changes, stream) == len(stream.getvalue())
        return self.arriving.apply(io.BytesIO(stream.getvalue()), changes.deleted)

    def finish(self) -> list[Report]:
        """The last rounds."""
        return [self.carry(changes) for changes in self.departing.last()]

    def _inodes(self) -> dict[str, int]:
        found = {}
        for folder, folders, files in os.walk(self.source):
            for name in folders + files:
                path = Path(folder, name)
                found[str(path.relative_to(self.source))] = _inode(path)
        return found

    def _number(self, entry: Known) -> int:
        there, here = self._copied.get(os.fsdecode(entry.path), (0, 0))
        return there if here == entry.inode else entry.inode


class Tap(io.BytesIO):
    """A stream that calls ``act`` when the first bytes are written to it."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act: Callable[[], object] | None = act

    def write(self, data: Any) -> int:
        act, self._act = self._act, None
        if act:
            act()
        return super().write(data)


def tree(root: Path, leave: Iterable[str] = ()) -> dict[str, tuple[Any, ...]]:
    """All that can be seen of everything below ``root``; what has several names tells the first of them."""
    names: dict[tuple[int, int], str] = {}
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name.startswith(tuple(leave)):
            continue
        status = os.lstat(path)
        found[name] = (
            oct(status.st_mode),
            status.st_uid,
            status.st_gid,
            status.st_mtime_ns,
            status.st_rdev,
            names.setdefault((status.st_dev, status.st_ino), name) if not path.is_dir() else "",
            {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)},
            _content(path, status),
        )
    return found


def replace(path: Path, content: str) -> None:
    """Write as careful programs do: beside it, then renamed."""
    part = path.with_name(path.name + ".part")
    part.write_text(content)
    part.rename(path)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def winners(report: Report) -> dict[str, str]:
    """Whose version is there now, for each conflict."""
    assert report.conflict_count == len(report.conflicts)
    return {conflict.path: conflict.winner for conflict in report.conflicts}


def _content(path: Path, status: os.stat_result) -> object:
    if stat.S_ISLNK(status.st_mode):
        return os.readlink(path)
    return path.read_bytes() if stat.S_ISREG(status.st_mode) else None


def _inode(path: Path) -> int:
    return os.lstat(path).st_ino
