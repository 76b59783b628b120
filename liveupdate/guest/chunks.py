"""A stream of unknown length inside another one: pieces, each with its length before it; a length of 0 ends it."""

from __future__ import annotations

import io
import struct
from typing import IO

from .errors import GuestError

_LENGTH = struct.Struct(">I")


class ChunkWriter(io.RawIOBase):
    """Writes go out as chunks; ``close`` writes the end and leaves the stream underneath open."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if data:
            self._stream.write(_LENGTH.pack(len(data)))
            self._stream.write(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.write(_LENGTH.pack(0))
            self._stream.flush()
        super().close()


class ChunkReader(io.RawIOBase):
    """Reads what a ChunkWriter wrote, up to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if not self._left and not self._ended:
            self._left = _LENGTH.unpack(self._exactly(_LENGTH.size))[0]
            self._ended = self._left == 0
        if self._ended or not size:
            return b""
        data = self._stream.read(min(size, self._left))
        if not data:
            raise GuestError("guest.link-broken", "the other machine stopped in the middle of a file")
        self._left -= len(data)
        return data

    def drain(self) -> None:
        """Pass over what is left."""
        while self.read(1 << 20):
            pass

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise GuestError("guest.link-broken", "the other machine stopped in the middle of a file")
        return data
