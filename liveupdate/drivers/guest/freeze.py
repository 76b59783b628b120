"""File systems frozen for a moment. The guest itself thaws them when the word does not come in time."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

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
_FROZEN = re.compile(r"frozen (\d+\.\d+)")
_THAWED = re.compile(r"(thawed|late) (\d+\.\d+) (\d+\.\d+)")
_MOUNT = re.compile(r"/[^\s'\"\\*?\[]*")


@dataclass
class Frozen:
    """``since``: the guest's clock (seconds since 1970) at the freeze. ``milliseconds``: how long, known afterwards."""

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
    channel = connection.start(["sh", "-c", _SCRIPT, "sh", f"{watchdog:.0f}", *mounts])
    channel.settimeout(watchdog + 10)
    with channel, channel.makefile("r") as answers:
        told = _FROZEN.match(_line(answers))
        if told is None:
            raise GuestError("the guest's file systems could not be frozen", code="live-update.guest.freeze-failed")
        frozen, began = Frozen(float(told.group(1))), time.monotonic()
        try:
            yield frozen
        finally:
            channel.sendall(b"\n")
            thawed = _THAWED.match(_line(answers))
        if thawed is None or thawed.group(1) == "late":
            seconds = time.monotonic() - began
            raise GuestError(
                f"the snapshot took {seconds:.0f} s: the guest thawed by itself", code="live-update.guest.freeze-late"
            )
        frozen.milliseconds = round((float(thawed.group(3)) - float(thawed.group(2))) * 1000)


def _line(answers: object) -> str:
    try:
        line = answers.readline(200)  # type: ignore[attr-defined]
    except TimeoutError:
        raise GuestError("the guest did not answer in time", code="live-update.guest.freeze-failed") from None
    return line if isinstance(line, str) else bytes(line).decode("utf-8", "replace")
