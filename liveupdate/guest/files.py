"""The root disk's files on their way from the source to the target: the values both sides speak of.

Paths are bytes, relative to the root, without a leading slash. In messages they are text with surrogate escapes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Round:
    """What has changed since the round before: ``paths`` parents first, ``deleted`` children first.

    ``bytes`` is what the paths take up on the disk, about what will travel.
    """

    paths: tuple[bytes, ...] = ()
    deleted: tuple[bytes, ...] = ()
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.paths or self.deleted)


@dataclass(frozen=True)
class Conflict:
    """A path that was changed on both machines, and whose version is there now: ``source`` or ``target``."""

    path: str
    winner: str
    why: str


@dataclass(frozen=True)
class Report:
    """What one round did on the target: counts, and the first of the ``conflicts``."""

    files: int
    deleted: int
    conflicts: tuple[Conflict, ...]
    conflict_count: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "conflicts": [asdict(conflict) for conflict in self.conflicts]}


def to_text(paths: Iterable[bytes]) -> list[str]:
    """Paths for a message."""
    return [path.decode("utf-8", "surrogateescape") for path in paths]


def to_paths(names: Iterable[str]) -> list[bytes]:
    """Paths from a message."""
    return [name.encode("utf-8", "surrogateescape") for name in names]
