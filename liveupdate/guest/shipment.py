"""What the source sends: folders of images, and rounds of the boot set's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import IO, cast

from . import images
from .chunks import ChunkWriter
from .files import Departing, Round
from .journal import Journal
from .link import Link
from .move import Move


class Shipment:
    """Each call returns the bytes that it sent; frames of the link keep them apart."""

    def __init__(self, move: Move, journal: Journal, link: Link) -> None:
        self._move = move
        self._journal = journal
        self._link = link
        self._files: Departing | None = None

    def images(self, unit: str, name: str, streams: Mapping[str, int] | None = None) -> int:
        """One folder of a unit's images; the final one with its standard streams."""
        path = images.folder(unit, name)
        entries = images.describe(path)
        header = {"images": unit, "folder": name, "entries": entries, "streams": dict(streams or {})}
        sent: list[int] = []
        self._link.send(header, lambda out: sent.append(images.send(path, entries, out)))
        return sum(sent)

    def files(self, *, last: bool, after: Future[int] | None = None) -> int:
        """What has changed on the boot set since the round before, which may still be ``after``."""
        if after is not None:
            after.result()
        if self._move.files_since is None:
            return 0
        sent: list[int] = []
        for files, changes in self._rounds(last):
            header = {"files": len(changes.paths), "deleted": [_text(path) for path in changes.deleted]}
            self._link.send(header, partial(_write, files, changes, sent))
            if last:
                self._journal.mark("files", files=len(changes.paths), deleted=len(changes.deleted))
        return sum(sent)

    def _rounds(self, last: bool) -> Iterable[tuple[Departing, Round]]:
        if self._files is None:
            known = self._link.call("known", 120)["known"]
            self._files = Departing(self._move.scope(), self._move.files_since or 0.0)
            yield self._files, self._files.first(known)
        elif last:
            for changes in self._files.last():
                yield self._files, changes
        else:
            yield self._files, self._files.next()


def _write(files: Departing, changes: Round, sent: list[int], out: IO[bytes]) -> None:
    with ChunkWriter(out) as chunks:
        sent.append(files.write(changes, cast(IO[bytes], chunks)))


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
