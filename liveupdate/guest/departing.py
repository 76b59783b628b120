"""The source's side of the root disk: what has changed, round after round, and the stream that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

from .files import Round
from .scope import Scope


class Departing:
    """``since``: this machine's clock when the target's disk was copied. What one round told, the next does not."""

    def __init__(self, scope: Scope, since: float) -> None:
        self.scope = scope
        self.since = since

    def first(self, known: Iterable[str]) -> Round:
        """Everything that differs from the target, which knows ``known`` (``Arriving.known``)."""
        raise NotImplementedError

    def next(self) -> Round:
        """What has changed since the last round. Flushes the disk first: not for the blackout."""
        raise NotImplementedError

    def last(self) -> Iterator[Round]:
        """The rounds of the blackout: write each before asking for the next one; usually one."""
        raise NotImplementedError

    def write(self, changes: Round, out: IO[bytes]) -> int:
        """The round's files as a GNU tar stream; returns the bytes."""
        raise NotImplementedError
