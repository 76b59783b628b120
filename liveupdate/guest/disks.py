"""Data file systems of a move: unmounted here, mounted there, never on both.

A disk that is attached to both machines is read-only to the kernel of the one that has not mounted it: nobody there can
write to it, or mount a file system that is in use.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from .errors import GuestError
from .external import run
from .move import Mount

#: linux/fs.h
_BLKROSET = 0x125D
_BLKFLSBUF = 0x1261
#: Seconds until a file system that was unmounted must have let go of its device.
_LINGERING = 1.0

#: Told of each mount when it begins ("unmounting", "mounting") and when it is done ("unmounted", "mounted").
Tell = Callable[[str, Mount], None]


def mounted(where: str) -> bool:
    return os.path.ismount(where)


def _nobody(what: str, mount: Mount) -> None:
    """Told of nothing."""


def unmount(mounts: Iterable[Mount], timeout: float, tell: Tell = _nobody) -> None:
    """Innermost first, and see that nobody else has them mounted. Raises GuestError(guest.unmount-failed)."""
    mounts = tuple(mounts)
    for mount in sorted(mounts, key=lambda each: each.where.count("/"), reverse=True):
        if not mounted(mount.where):
            continue
        tell("unmounting", mount)
        done = run(["umount", mount.where], timeout=timeout, check=False, code="guest.unmount-failed")
        # it complains of a full /run, too, where it notes what is mounted
        if not done.ok and mounted(mount.where):
            users = ", ".join(_users(mount.where)) or "nobody that can be seen"
            raise GuestError(
                "guest.unmount-failed", f"{done.text[-300:]}; used by {users}", "move or stop those processes too"
            )
        tell("unmounted", mount)
    for device in {mount.device for mount in mounts}:
        _see_free(device)
    for shared in {mount.device for mount in mounts if mount.shared}:
        # one that is gone is written to by nobody
        with suppress(OSError):
            _allow_writes(shared, False)


def _see_free(device: str) -> None:
    """Nobody has it mounted any more, in no mount namespace. Raises GuestError(guest.unmount-failed)."""
    end = time.monotonic() + _LINGERING
    while True:
        try:
            # the kernel refuses it as long as a file system claims the device
            os.close(os.open(device, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno != errno.EBUSY:
                return  # gone: nobody has it
            if time.monotonic() > end:
                raise GuestError(
                    "guest.unmount-failed",
                    f"{device} is still in use: mounted in a container, or by a layer above it",
                    "stop the container, or what else uses the device",
                ) from error
            time.sleep(0.02)
        else:
            return


def wait_for(mounts: Iterable[Mount], deadline: float) -> None:
    """Until every device is there (``deadline`` by the monotonic clock). Raises GuestError(guest.device-missing)."""
    for mount in mounts:
        while not os.path.exists(mount.device):
            if time.monotonic() > deadline:
                raise GuestError("guest.device-missing", f"{mount.device} for {mount.where} did not appear")
            time.sleep(0.01)


def appeared(mount: Mount) -> float:
    """When its device came, by the monotonic clock: udev makes the stable name then."""
    return time.monotonic() - (time.time() - os.lstat(mount.device).st_ctime)


def mount(mounts: Iterable[Mount], tell: Tell = _nobody) -> None:
    """Outermost first; what is mounted already stays. Raises GuestError(guest.mount-failed)."""
    for each in sorted(mounts, key=lambda one: one.where.count("/")):
        if mounted(each.where):
            continue
        tell("mounting", each)
        os.makedirs(each.where, exist_ok=True)
        # blocks that this kernel read earlier (udev does) are not what the other machine has written since
        try:
            if each.shared:
                _allow_writes(each.device, True)
            _forget_cached(each.device)
        except OSError as error:
            raise GuestError("guest.mount-failed", f"{each.device}: {error.strerror}") from error
        run(["mount", "-t", each.fstype, "-o", each.options, each.device, each.where], code="guest.mount-failed")
        tell("mounted", each)


def _forget_cached(device: str) -> None:
    _control(device, _BLKFLSBUF, 0)


def _allow_writes(device: str, allowed: bool) -> None:
    _control(device, _BLKROSET, struct.pack("i", not allowed))


def _control(device: str, request: int, argument: int | bytes) -> None:
    handle = os.open(device, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, request, argument)
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
