"""How long the blackout will be, before it happens. Pure.

The trial's freeze is what the last dump will cost, and a restore costs about as much again; the rest are measured
constants of a cut-over. The pre-copy's own estimate, made from its dirty rate, replaces this one; of the volumes that
the worker hands over meanwhile the guests know nothing, they are added.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from liveupdate.model import Handover, Json

#: Milliseconds: fences, addresses, last files, messages between the guests.
_FIXED = 400
#: Unmount, mount, check of a data volume that is on both servers.
_MULTIATTACH = 150
#: What detach and attach in Nova add for a volume that may be on one server only; measured on Ceph.
HANDED_OVER = 2000
#: A unit that is stopped and started, when nothing better is known.
_RESTART = 2000


def blackout_ms(
    units: Sequence[Mapping[str, Any]], trials: Mapping[str, Json], volumes: Sequence[Mapping[str, Any]]
) -> int:
    moved = [trials[u["name"]] for u in units if u["handover"] == Handover.MOVE]
    restarted = sum(u["handover"] == Handover.RESTART for u in units)
    data = [v for v in volumes if not v["boot"]]
    total: float = (
        _FIXED
        + sum(2000 * float(trial.get("dump_seconds", 0)) for trial in moved)
        + restarted * _RESTART
        + len(data) * _MULTIATTACH
        + sum(HANDED_OVER for v in data if not v["multiattach"])
    )
    return round(total)
