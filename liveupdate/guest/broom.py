"""Removes and empties files beneath a root, and never on a file system that is not the machine's own."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

_HEAD = 2048


class Broom:
    """Paths are relative to ``root``. What lies on another device than ``devices`` is left alone: it may be shared.

    Symbolic links are removed, not followed; nothing is missed that is not there.
    """

    def __init__(self, root: str, devices: frozenset[int]) -> None:
        self._root = root
        self._devices = devices

    def find(self, *patterns: str) -> list[str]:
        """Paths that match, as for a shell."""
        at = glob.escape(self._root)
        return sorted(os.path.relpath(p, self._root) for q in patterns for p in glob.glob(os.path.join(at, q)))

    def files(self, folder: str) -> list[str]:
        """Every regular file in it, at any depth."""
        return [path for path, info in self._walk(self._at(folder)) if stat.S_ISREG(info.st_mode)]

    def remove(self, *patterns: str) -> None:
        for path in self.find(*patterns):
            self.remove_exactly(path)

    def remove_exactly(self, path: str) -> None:
        """With all that is in it."""
        self._remove(self._at(path))

    def empty(self, folder: str) -> None:
        """Remove what is in it."""
        at = self._at(folder)
        if os.path.isdir(at) and not os.path.islink(at):
            for name in os.listdir(at):
                self._remove(os.path.join(at, name))

    def write(self, path: str, content: str) -> None:
        """Into a regular file that is there: its owner and rights stay."""
        at = self._at(path)
        with suppress(FileNotFoundError):
            info = os.lstat(at)
            if stat.S_ISREG(info.st_mode) and info.st_dev in self._devices:
                with open(os.open(at, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW), "w", encoding="utf-8") as file:
                    file.write(content)

    def make(self, path: str, content: str) -> None:
        """A file of root's that everybody may read."""
        at = self._at(path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(
            os.open(at, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644), "w", encoding="utf-8"
        ) as file:
            file.write(content)

    def link(self, path: str, target: str) -> None:
        at = self._at(path)
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with suppress(FileExistsError):
            os.symlink(target, at)

    def is_link(self, path: str) -> bool:
        return os.path.islink(self._at(path))

    def read(self, path: str) -> str:
        """ "" if it is not there."""
        with suppress(OSError), open(self._at(path), encoding="utf-8", errors="replace") as file:
            return file.read()
        return ""

    def head(self, path: str) -> bytes:
        with suppress(OSError), open(self._at(path), "rb") as file:
            return file.read(_HEAD)
        return b""

    def _at(self, path: str) -> str:
        return os.path.join(self._root, path)

    def _walk(self, at: str) -> Iterator[tuple[str, os.stat_result]]:
        with suppress(OSError):
            for name in sorted(os.listdir(at)):
                path = os.path.join(at, name)
                info = os.lstat(path)
                if info.st_dev in self._devices:
                    yield os.path.relpath(path, self._root), info
                    if stat.S_ISDIR(info.st_mode):
                        yield from self._walk(path)

    def _remove(self, at: str) -> None:
        with suppress(FileNotFoundError):
            info = os.lstat(at)
            if info.st_dev not in self._devices:
                return
            if not stat.S_ISDIR(info.st_mode):
                os.unlink(at)
                return
            for name in os.listdir(at):
                self._remove(os.path.join(at, name))
            # something else may be mounted in it
            with suppress(OSError):
                os.rmdir(at)
