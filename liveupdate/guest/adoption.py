"""How systemd takes part: units that leave without being started again, and units that come from images."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from . import checkpoint, images, proc, units
from .errors import GuestError
from .external import run
from .places import write_private

#: Seconds for systemd to start what it was told to.
_TIMEOUT = 120
#: stdout and stderr, as JSON keeps them.
_STREAMS = ("1", "2")


def pid_file(unit: str) -> str:
    return images.folder(unit, "main.pid")


def _script(unit: str) -> str:
    return images.folder(unit, "restore.sh")


def let_go(names: Iterable[str], mounts: Iterable[str]) -> None:
    """From here the end of these units' processes is no reason for systemd to start them again.

    Nor does it start them or mount ``mounts`` (where) for anybody else while places.AWAY exists.
    """
    for name in names:
        units.write_drop_in(name, "away", units.away())
    for where in mounts:
        units.write_drop_in(units.mount_unit(where), "away", units.keep_away())
    units.reload()


def expect(names: Iterable[str]) -> None:
    """From here starting one of these units means restoring it from its images."""
    for name in names:
        units.write_drop_in(name, "restore", units.restore(f"/bin/sh {_script(name)}", pid_file(name)))
    units.reload()


def streams(told: Any) -> dict[str, int]:
    """A unit's standard streams as the other machine tells them. Raises GuestError(guest.bad-message)."""
    if not isinstance(told, dict) or not all(_stream(*each) for each in told.items()):
        raise GuestError("guest.bad-message", "the standard streams of a unit")
    return told


def _stream(number: Any, inode: Any) -> bool:
    return number in _STREAMS and type(inode) is int and 0 <= inode < 1 << 64


def stage(unit: str, streams: Mapping[str, int], *, stopped: bool) -> None:
    """Write how to restore the unit's final images; ``streams`` as JSON keeps them (see checkpoint)."""
    known = {int(number): int(inode) for number, inode in streams.items()}
    script = checkpoint.restore_script(images.folder(unit, "final"), pid_file(unit), known, stopped=stopped)
    write_private(_script(unit), script)


def start(names: Sequence[str]) -> None:
    """Start units, in systemd's own order. Raises GuestError(guest.restore-failed) with CRIU's or systemd's reason."""
    if not names:
        return
    done = run(["systemctl", "start", "--", *names], timeout=_TIMEOUT, check=False, code="guest.restore-failed")
    if done.ok:
        return
    reasons = [done.text[-500:]]
    for name in names:
        log = images.folder(name, "final/restore.log")
        if os.path.exists(log) and os.path.getsize(log):
            reasons.append(f"{name}: {checkpoint.first_error(log)}")
    raise GuestError("guest.restore-failed", "; ".join(reasons))


def processes(names: Iterable[str]) -> list[int]:
    """The pids of units that were restored here."""
    found = []
    for name in names:
        with open(pid_file(name), encoding="ascii") as file:
            found += [process.pid for process in proc.tree(int(file.read()))]
    return found


def run_on(pids: Iterable[int]) -> None:
    """Let processes that were restored stopped run."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def stop(names: Sequence[str], timeout: float) -> None:
    """An ordinary stop, as the unit itself asks for it. Raises GuestError(guest.stop-failed) after ``timeout`` s."""
    if names:
        run(["systemctl", "stop", "--", *names], timeout=timeout, code="guest.stop-failed")


def kill(names: Sequence[str]) -> None:
    """An end without a word to the processes: they must not write any more."""
    if names:
        run(["systemctl", "kill", "--kill-whom=all", "--signal=KILL", "--", *names], check=False)
        run(["systemctl", "stop", "--", *names], timeout=_TIMEOUT, check=False)


def forget(names: Iterable[str], mounts: Iterable[str] = ()) -> None:
    """Take our drop-ins away: from here the units are as their files say.

    systemd is told in any case: it may have refused to hear of it before.
    """
    units.remove_drop_ins(*names, *map(units.mount_unit, mounts))
    units.reload()
