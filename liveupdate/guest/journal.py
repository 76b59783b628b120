"""What this machine did in a move, in order: every phase and mark with both clocks, so that nobody has to guess."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from typing import Any

Entry = dict[str, Any]


class Journal:
    """Lines of {"name", "phase": bool, "monotonic", "realtime" (seconds), …}, kept in a file on tmpfs.

    A *phase* changes what may happen next; a *mark* only tells when something was done.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.entries: list[Entry] = _load(path)

    def begin(self) -> None:
        """A new move, or the same one prepared anew: what was before it must not be taken for its own."""
        with self._lock:
            with suppress(FileNotFoundError):
                os.unlink(self._path)
            self.entries = []

    def enter(self, phase: str, **detail: Any) -> None:
        """Written before it takes effect anywhere else."""
        self._append(phase, True, detail)

    def mark(self, name: str, **detail: Any) -> None:
        self._append(name, False, detail)

    @property
    def phase(self) -> str:
        return next((str(entry["name"]) for entry in reversed(self.entries) if entry["phase"]), "idle")

    def last(self, name: str) -> Entry | None:
        return next((entry for entry in reversed(self.entries) if entry["name"] == name), None)

    def since(self, name: str) -> list[Entry]:
        """The newest entry with this name, and everything after it."""
        for at in range(len(self.entries) - 1, -1, -1):
            if self.entries[at]["name"] == name:
                return self.entries[at:]
        return []

    def _append(self, name: str, phase: bool, detail: Entry) -> None:
        entry = {"name": name, "phase": phase, "monotonic": time.monotonic(), "realtime": time.time(), **detail}
        with self._lock:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            with open(handle, "a", encoding="ascii") as file:
                file.write(json.dumps(entry) + "\n")
            self.entries.append(entry)


def _load(path: str) -> list[Entry]:
    try:
        with open(path, "r+b") as file:
            lines = file.readlines()
            if lines and not lines[-1].endswith(b"\n"):
                # cut short by a kill: it had not taken effect, and the next one begins a line of its own
                file.truncate(file.tell() - len(lines.pop()))
            return [json.loads(line) for line in lines]
    except FileNotFoundError:
        return []
