"""Watches this machine's iSCSI sessions: when a path is lost, and when it is back. Reads sysfs only: cheap enough for a
blackout."""

from __future__ import annotations

import threading
import time
from typing import Any

from .storage import sessions

#: What is remembered; a path that flutters must not fill the memory.
_MOST = 200
_INTERVAL = 1.0


class PathWatch:
    def __init__(self, sys: str = "/sys") -> None:
        self._sys = sys
        #: (target, portal) → whether it works.
        self._up: dict[tuple[str, str], bool] = {}
        #: [{event: "lost" | "back", target, portal, at: seconds since 1970}], the oldest first.
        self.events: list[dict[str, Any]] = []

    def start(self) -> None:
        threading.Thread(target=self._run, name="paths", daemon=True).start()

    def look(self) -> None:
        """Once. A session that ends has been ended: that is no loss."""
        seen = {(s["target"], s["portal"]): s["state"] == "LOGGED_IN" for s in sessions(self._sys)}
        for path, up in seen.items():
            if up != self._up.get(path, True) and len(self.events) < _MOST:
                event = {"event": "back" if up else "lost", "target": path[0], "portal": path[1], "at": time.time()}
                self.events.append(event)
        self._up = seen

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(_INTERVAL)
