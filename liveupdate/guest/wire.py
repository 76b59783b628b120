"""JSON lines, and raw bytes between them: how worker, daemon and peer talk."""

from __future__ import annotations

import json
import threading
from typing import IO, Any

from .errors import GuestError

Message = dict[str, Any]
#: No control message is longer; a longer line is an attack or a bug.
LINE_LIMIT = 64 * 1024 * 1024


def encode(message: Message) -> bytes:
    """One line. Surrogate escapes (file names that are not UTF-8) survive as \\udcXX."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def decode(line: bytes) -> Message:
    """One message; raises GuestError(guest.bad-message) on anything but an object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise GuestError("guest.bad-message", f"not JSON: {error}"[:200]) from error
    if not isinstance(message, dict):
        raise GuestError("guest.bad-message", "not an object")
    return message


def read(stream: IO[bytes]) -> Message | None:
    """The next message, or None at the end."""
    line = stream.readline(LINE_LIMIT)
    if not line.endswith(b"\n"):
        return None
    return decode(line)


class Writer:
    """Messages written whole, from any thread."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: Message) -> None:
        data = encode(message)
        with self._lock:
            self._stream.write(data)
            self._stream.flush()
