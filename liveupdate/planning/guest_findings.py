"""What the guest says about its update: facts in, findings out. Pure.

One function per check; each returns one finding, also when all is well: what was checked can be read in a preview.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from liveupdate.model import Finding, Handover, Json
from liveupdate.planning import estimate
from liveupdate.planning.checks import check

_MIB = 1 << 20
#: Room that a kernel, its modules and its initramfs take, and what the guest's own tools need.
_ROOT_ROOM = 600 * _MIB
_BOOT_ROOM = 120 * _MIB
_SPARE_MEMORY = 64 * _MIB
_TOOLS = ("criu", "nft", "ip", "arping", "ssh", "sshd", "tar", "fsfreeze", "blockdev")


def judge(
    guest: Json,
    trials: Mapping[str, Json],
    units: Sequence[Mapping[str, Any]],
    volumes: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
) -> list[Finding]:
    """``guest``: from inspect; ``trials``: by unit; ``units``: as decided; ``parameters``: the request's."""
    return [
        *_system(guest),
        *_units(units, trials),
        *_memory(guest, units),
        *_disk(guest),
        *_mounts(guest, volumes),
        _pids(guest),
        _budget(units, trials, volumes, parameters),
    ]


def _system(guest: Json) -> Iterator[Finding]:
    yield check("guest.systemd", bool(guest.get("systemd")), "the guest does not run systemd", "plan a reboot for it")
    missing = [tool for tool in _TOOLS if not guest.get("tools", {}).get(tool)]
    yield check(
        "guest.tools",
        not missing,
        f"missing: {', '.join(missing)}",
        "apt-get install criu nftables iproute2 iputils-arping openssh-server tar",
    )
    criu = guest.get("criu", {})
    why = str(criu.get("why", ""))[:300]
    yield check("guest.criu", bool(criu.get("ok")), f"criu check: {why}", "use a kernel with checkpoint support")
    yield check(
        "guest.smbios",
        bool(guest.get("smbios_uuid")),
        "the guest does not see its server's id as SMBIOS UUID: a copy could not tell that it is one",
        "use a hypervisor that passes the id on",
    )


def _units(units: Sequence[Mapping[str, Any]], trials: Mapping[str, Json]) -> Iterator[Finding]:
    yield check(
        "unit.any",
        bool(units),
        "no unit of a workload was found: there is nothing to move",
        "name the units, in the request or in the server's metadata liveupdate:units",
        warn=True,
    )
    for unit in units:
        trial = trials.get(unit["name"], {})
        reason, hint = str(trial.get("reason", ""))[:300], str(trial.get("hint", ""))[:300]
        moves = unit["handover"] == Handover.MOVE
        yield check(
            "unit.checkpoint",
            bool(trial.get("ok")) or unit["handover"] in (Handover.START, Handover.LEAVE),
            f"cannot be moved{'' if moves else ': it will be restarted'}: {reason}",
            hint or "hand it over by restart",
            subject=unit["name"],
            warn=not moves,
        )
        yield check(
            "unit.health",
            bool(unit["health"] or unit["ports"]),
            "it listens on no port and has no health check: only that it runs can be probed",
            "give it a health check",
            subject=unit["name"],
            warn=True,
        )


def _memory(guest: Json, units: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """The images lie in memory beside the processes they are of, on both sides."""
    moved = sum(int(u["rss"]) for u in units if u["handover"] == Handover.MOVE)
    available = int(guest.get("memory", {}).get("available", 0))
    needed = moved + _SPARE_MEMORY
    yield check(
        "guest.memory",
        available >= needed,
        f"{needed // _MIB} MiB needed for the images, {available // _MIB} MiB available: they go to the disk",
        "free memory for a shorter blackout",
        warn=True,
    )


def _disk(guest: Json) -> Iterator[Finding]:
    free = guest.get("free", {})
    apart = [m["where"] for m in guest.get("mounts", ()) if m["where"] in ("/usr", "/var")]
    for path, needed in (("/", _ROOT_ROOM), ("/boot", _BOOT_ROOM), *((path, _ROOT_ROOM) for path in apart)):
        there = int(free.get(path, 0))
        yield check(
            "guest.disk",
            there >= needed,
            f"{needed // _MIB} MiB needed, {there // _MIB} MiB free",
            "free some space",
            subject=path,
        )


def _mounts(guest: Json, volumes: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Every data volume's file system must be known by a name that is the same on the surrogate."""
    for volume in volumes:
        if volume["boot"]:
            continue
        mounted = [m for m in guest.get("mounts", []) if volume["serial"] in str(m.get("by_id", ""))]
        yield check(
            "volume.mounted",
            bool(mounted),
            "the volume is attached and nothing on it is mounted: it will be attached to the surrogate as it is",
            "mount it, or detach it if it is not needed",
            subject=volume["id"],
            warn=True,
        )


def _pids(guest: Json) -> Finding:
    return check(
        "guest.pids",
        int(guest.get("pids", {}).get("highest", 0)) < 4_000_000,
        "the guest's process ids are nearly used up: the surrogate would find none that are free",
        "restart long-running units once",
    )


def _budget(
    units: Sequence[Mapping[str, Any]],
    trials: Mapping[str, Json],
    volumes: Sequence[Mapping[str, Any]],
    parameters: Mapping[str, Any],
) -> Finding:
    budget = parameters.get("blackout_budget_seconds")
    expected = estimate.blackout_ms(units, trials, volumes) / 1000
    return check(
        "blackout.budget",
        budget is None or expected <= float(budget),
        f"the blackout is estimated at {expected:.1f} s, the budget is {budget} s",
        "raise the budget, or make the units smaller",
    )
