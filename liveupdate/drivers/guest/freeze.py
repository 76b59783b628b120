"""File systems frozen for a moment. The guest itself thaws them when the word does not come in time."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import paramiko

from liveupdate.drivers.guest.connection import Connection
from liveupdate.errors import GuestError

#: Freezes in order, tells the clock, waits for a line or the watchdog, thaws in reverse. A mount that cannot be frozen
#: thaws the others. "late" if the watchdog was faster than the word.
_SCRIPT = """
watchdog=$1; shift; frozen=
thaw() { for m in $frozen; do fsfreeze -u "$m"; done; frozen=; }
trap thaw EXIT HUP TERM PIPE
sync
began=$(cat /proc/uptime)
for m in "$@"; do fsfreeze -f "$m" || { echo failed; exit 1; }; frozen="$m $frozen"; done
echo "frozen $(date +%s.%N)"
if timeout "$watchdog" head -n 1 >/dev/null; then said=thawed; else said=late; fi
thaw
echo "$said ${began%% *} $(cut -d' ' -f1 /proc/uptime)"
"""
_FROZEN = re.compile(r"frozen (\d{1,12}\.\d{1,9})", re.ASCII)
_THAWED = re.compile(r"(thawed|late) (\d{1,12}\.\d{1,9}) (\d{1,12}\.\d{1,9})", re.ASCII)
#: Bytes of a line.
_LONGEST = 200
_MOUNT = re.compile(r"/[^\s'\"\\*?\[]*")


@dataclass
class Frozen:
    """``since``: the guest's clock (seconds since 1970) at the freeze. ``milliseconds``: how long, known afterwards.

    Both are the guest's word, the latter no longer than it was waited for.
    """

    since: float
    milliseconds: int = field(default=0)


@contextmanager
def freeze(connection: Connection, mounts: Sequence[str], watchdog: float) -> Iterator[Frozen]:
    """Freeze ``mounts`` while the body runs, ``watchdog`` seconds at most.

    Raises GuestError ``guest.freeze-failed``; ``guest.freeze-late`` at the end if the guest had to thaw by itself: what
    was done meanwhile is not consistent.
    """
    if bad := [m for m in mounts if not _MOUNT.fullmatch(m)]:
        raise GuestError(f"cannot freeze {bad[0][:100]!r}", code="live-update.guest.freeze-failed")
    patience, asked = watchdog + 10, time.monotonic()
    with connection.start(["sh", "-c", _SCRIPT, "sh", f"{watchdog:.0f}", *mounts]) as channel:
        told = _FROZEN.fullmatch(_line(channel, patience))
        if told is None:
            raise GuestError("the guest's file systems could not be frozen", code="live-update.guest.freeze-failed")
        frozen, began = Frozen(float(told.group(1))), time.monotonic()
        try:
            yield frozen
        finally:
            thawed = _THAWED.fullmatch(_line(channel, patience, said=b"\n"))
        if thawed is None or thawed.group(1) == "late":
            seconds = time.monotonic() - began
            raise GuestError(
                f"the snapshot took {seconds:.0f} s: the guest thawed by itself", code="live-update.guest.freeze-late"
            )
        seconds = float(thawed.group(3)) - float(thawed.group(2))
        frozen.milliseconds = round(1000 * min(max(0.0, seconds), time.monotonic() - asked))


def _line(channel: paramiko.Channel, seconds: float, said: bytes = b"") -> str:
    """The next line, once something was ``said``."""
    end = time.monotonic() + seconds
    line = b""
    try:
        channel.settimeout(seconds)
        channel.sendall(said)
        while not line.endswith(b"\n") and len(line) < _LONGEST:
            channel.settimeout(max(0.01, end - time.monotonic()))
            if not (piece := channel.recv(1)):
                break
            line += piece
    except OSError:
        raise GuestError("the guest did not answer in time", code="live-update.guest.freeze-failed") from None
    return line.decode("utf-8", "replace").strip()
