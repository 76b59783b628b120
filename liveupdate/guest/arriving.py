"""The target's side of the root disk: puts what comes from the source into place, and tells what both have changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO

from .files import Report
from .scope import Scope


class Arriving:
    """``since``: this machine's clock when its disk was copied; what changed later was changed here."""

    def __init__(self, scope: Scope, since: float, memory: str | None = None) -> None:
        self.scope = scope
        self.since = since

    def known(self) -> list[str]:
        """What is in scope here, for ``Departing.first``."""
        raise NotImplementedError

    def apply(self, stream: IO[bytes], deleted: Iterable[bytes]) -> Report:
        """Delete and unpack one round; ``stream`` is read to its end."""
        raise NotImplementedError

    def settle(self) -> None:
        """Wait until everything is on the disk."""
        raise NotImplementedError
