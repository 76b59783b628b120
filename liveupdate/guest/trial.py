"""A real dump of a unit that goes on running: the only honest answer to "can it be checkpointed?"."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from . import checkpoint, memory, places, proc, units
from .errors import GuestError
from .external import find, run

#: Seconds for one dump; far more than any unit that may be moved takes.
TIMEOUT = 120


def trial(unit: str) -> dict[str, Any]:
    """{ok, reason, hint, dump_seconds (the freeze), image_bytes, processes}; leaves nothing behind."""
    [shown] = units.show(units.full_name(unit))
    if not shown.loaded or not shown.active or not shown.main_pid:
        return _no(f"{shown.name or unit} has no running main process", "start it, or leave it out")
    if find("criu") is None:
        return _no("criu is not installed", "apt-get install criu")
    tree = [process.pid for process in proc.tree(shown.main_pid)]
    strangers = sorted(set(shown.processes) - set(tree))
    if strangers:
        return _no(f"processes {strangers[:10]} of the unit are not children of its main process", checkpoint.hint(""))
    size = sum(process.rss for process in proc.tree(shown.main_pid))
    with _folder(size) as folder:
        return _dump(shown.main_pid, folder) | {"processes": len(tree)}


def _dump(main_pid: int, folder: str) -> dict[str, Any]:
    """Pre-dump first: what is frozen afterwards is only what has changed since."""
    before, final = os.path.join(folder, "0"), os.path.join(folder, "final")
    os.mkdir(before)
    os.mkdir(final)
    try:
        checkpoint.require(checkpoint.pre_dump(main_pid, before, None, TIMEOUT), before, "guest.dump-failed")
        done = checkpoint.dump(main_pid, final, "0", TIMEOUT, leave_running=True)
        checkpoint.require(done, final, "guest.dump-failed")
    except GuestError as error:
        return _no(error.detail, error.remedy)
    size = checkpoint.image_bytes(folder)
    return {"ok": True, "reason": "", "hint": "", "dump_seconds": round(done.seconds, 3), "image_bytes": size}


def _no(reason: str, hint: str) -> dict[str, Any]:
    return {"ok": False, "reason": reason, "hint": hint, "dump_seconds": 0.0, "image_bytes": 0, "processes": 0}


@contextmanager
def _folder(size: int) -> Iterator[str]:
    """Room for the images: memory if there is plenty, else the disk; gone afterwards in any case."""
    places.make_root()
    in_memory = memory.available() > 2 * size + (64 << 20)
    folder = tempfile.mkdtemp(prefix="trial-", dir=places.ROOT if in_memory else places.DISK)
    try:
        if in_memory:
            run(["mount", "-t", "tmpfs", "-o", f"mode=700,size={size + (64 << 20)}", "tmpfs", folder])
        yield folder
    finally:
        if in_memory:
            run(["umount", "-l", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            # only if nothing else of ours is there
            os.rmdir(places.ROOT)
