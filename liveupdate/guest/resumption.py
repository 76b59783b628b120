"""How a source comes back: each unit as far as is safe."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from . import adoption, disks, health, proc
from .errors import GuestError
from .journal import Journal
from .move import Move


def written_elsewhere(move: Move, journal: Journal) -> str | None:
    """A file on a data volume that the target has written, or may have; None if there is none.

    To be asked when the volumes are mounted here again, after a grant.
    """
    entries = journal.since("frozen")
    told = next((entry for entry in entries if entry["name"] == "handed-back"), None)
    unmounted = next((entry for entry in entries if entry["name"] == "unmounted"), None)
    # a target that cannot be asked has run them if somebody's health checks needed it
    asked = move.with_handover("restart") or any(map(health.needs_running, move.units))
    ran = told["ran"] if told else bool(asked)
    if not ran or unmounted is None:
        return None
    prepared = journal.last("prepared") or {}
    # its clock may be behind; better to start a unit anew than on files from its future
    return disks.changed_since(move.mounts, unmounted["realtime"] + min(0.0, prepared["clock_offset"]))


def bring_back(
    move: Move, journal: Journal, units: Mapping[str, Mapping[str, Any]], stale: str | None
) -> dict[str, str]:
    """Unit → "alive" | "restored" | "started". Memory older than its files would corrupt them: then it starts anew.

    ``units``: what the source knew of them when it prepared. Raises GuestError if one cannot even be started.
    """
    how: dict[str, str] = {}
    dumped = {entry["unit"] for entry in journal.since("frozen") if entry["name"] == "dumped-unit"}
    for name, fact in units.items():
        process = proc.read(fact["pid"])
        if process is not None and process.started == fact["started"] and process.state != "Z":
            how[name] = "alive"
        else:
            how[name] = "restored" if name in dumped and stale is None else "started"
    restored = [name for name, way in how.items() if way == "restored"]
    if restored:
        adoption.expect(restored)
        try:
            adoption.start(restored)
        except GuestError as error:
            journal.mark("restore-failed", detail=error.detail)
            adoption.kill(restored)
            how |= dict.fromkeys(restored, "started")
    how |= {plan.name: "started" for plan in move.with_handover("restart")}
    started = [name for name, way in how.items() if way == "started"]
    if started:
        adoption.forget(started)
        adoption.start(started)
    return how


def wait_for_criu(seconds: float) -> None:
    """A dump that this program's predecessor had started must end before anybody looks at its tasks."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(proc.name(pid) == "criu" for pid in proc.pids()):
        time.sleep(0.05)
