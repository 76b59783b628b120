"""Data file systems of a move: unmounted here, mounted there, never on both."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterable, Iterator

from .errors import GuestError
from .external import run
from .move import Mount

#: linux/fs.h
_BLKFLSBUF = 0x1261


def mounted(where: str) -> bool:
    return os.path.ismount(where)


def unmount(mounts: Iterable[Mount], timeout: float) -> None:
    """Innermost first. Raises GuestError(guest.unmount-failed), naming who keeps it busy."""
    for mount in sorted(mounts, key=lambda each: each.where.count("/"), reverse=True):
        if not mounted(mount.where):
            continue
        done = run(["umount", mount.where], timeout=timeout, check=False, code="guest.unmount-failed")
        if not done.ok:
            users = ", ".join(_users(mount.where)) or "nobody that can be seen"
            raise GuestError(
                "guest.unmount-failed", f"{done.text[-300:]}; used by {users}", "move or stop those processes too"
            )


def wait_for(mounts: Iterable[Mount], deadline: float) -> None:
    """Until every device is there (``deadline`` by the monotonic clock). Raises GuestError(guest.device-missing)."""
    for mount in mounts:
        while not os.path.exists(mount.device):
            if time.monotonic() > deadline:
                raise GuestError("guest.device-missing", f"{mount.device} for {mount.where} did not appear")
            time.sleep(0.01)


def mount(mounts: Iterable[Mount]) -> None:
    """Outermost first; what is mounted already stays. Raises GuestError(guest.mount-failed)."""
    for each in sorted(mounts, key=lambda one: one.where.count("/")):
        if mounted(each.where):
            continue
        os.makedirs(each.where, exist_ok=True)
        # blocks that this kernel read earlier (udev does) are not what the other machine has written since
        _forget_cached(each.device)
        run(["mount", "-t", each.fstype, "-o", each.options, each.device, each.where], code="guest.mount-failed")


def _forget_cached(device: str) -> None:
    try:
        handle = os.open(device, os.O_RDONLY)
    except OSError as error:
        raise GuestError("guest.mount-failed", f"{device}: {error.strerror}") from error
    try:
        fcntl.ioctl(handle, _BLKFLSBUF)
    finally:
        os.close(handle)


def changed_since(mounts: Iterable[Mount], moment: float) -> str | None:
    """The first file found on ``mounts`` that was changed after ``moment`` (seconds since 1970), or None."""
    for each in mounts:
        for entry in _walk(each.where):
            if entry.stat(follow_symlinks=False).st_ctime > moment:
                return entry.path
    return None


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    device = os.lstat(folder).st_dev
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_dev == device:
                    waiting.append(entry.path)


def _users(where: str) -> list[str]:
    """Who has files open below: "pid (name)", bounded."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            links = [f"/proc/{pid}/cwd", *(f"/proc/{pid}/fd/{fd}" for fd in os.listdir(f"/proc/{pid}/fd"))]
            if any(os.readlink(link).startswith(where) for link in links):
                with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                    found.append(f"{pid} ({file.read().strip()})")
        except OSError:
            continue
    return found[:10]
