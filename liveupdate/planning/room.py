"""Making room for a twin: the fewest, and of those the cheapest, live migrations of neighbours within a group. Pure.

One host is freed by moving neighbours straight to others that have the room already: no chains. A move costs the memory
that has to be copied. Hosts are named by their facts, as placement judges them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from liveupdate.planning.eligibility import Need, room, suits
from liveupdate.planning.fleet import MEMORY, HostFacts
from liveupdate.planning.groups import HostGroup

#: More moves than these are not made for one update.
MOST = 4
#: Neighbours of one host that are weighed, the largest and the cheapest; without a bound it could take for ever.
_WEIGHED = 24
#: An owner's word for its server, as metadata or tag: move, restart, notify or never.
_ACTION = "liveupdate:action"
_DEVICES = ("pci_passthrough:", "resources:VGPU", "resources:PGPU", "accel:")


@dataclass(frozen=True)
class Neighbour:
    """``why_not`` tells why it may not be moved, "" if it may; ``apart_from``: ids of its hard anti-affinity groups."""

    id: str
    name: str
    host: str
    need: Need
    why_not: str = ""
    apart_from: frozenset[str] = frozenset()

    @property
    def cost(self) -> int:
        """MiB to copy."""
        return self.need.resources.get(MEMORY, 0)


def why_fixed(
    status: str,
    task_state: str,
    locked: bool,
    metadata: Mapping[str, str],
    tags: Sequence[str],
    extra_specs: Mapping[str, str],
) -> str:
    """Why a server may not be moved away for another one's sake; "" if it may."""
    devices = sorted(key for key in extra_specs if key.startswith(_DEVICES))
    never = metadata.get(_ACTION) == "never" or f"{_ACTION}=never" in tags
    reasons = (
        (locked, "it is locked"),
        (never, "its owner says never"),
        (any(tag.startswith("liveupdate:") for tag in tags), "it belongs to a live update"),
        (status != "ACTIVE", f"it is {status}"),
        (bool(task_state), f"Nova is at work on it: {task_state}"),
        (bool(devices), f"it holds devices of its host: {', '.join(devices)}"),
        (extra_specs.get("hw:cpu_policy") in ("dedicated", "mixed"), "its processors are pinned"),
    )
    return next((reason for applies, reason in reasons if applies), "")


@dataclass(frozen=True)
class Move:
    server_id: str
    name: str
    origin: str
    target: str
    mebibytes: int

    def as_json(self) -> dict[str, Any]:
        return {
            "server_id": self.server_id,
            "name": self.name,
            "from": self.origin,
            "to": self.target,
            "mebibytes": self.mebibytes,
        }


@dataclass(frozen=True)
class RoomPlan:
    """``moves`` make room on ``host``; without a host there is no way, and ``why_not`` tells the numbers."""

    host: str
    moves: tuple[Move, ...]
    why_not: str = ""


def plan(need: Need, hosts: Sequence[HostFacts], group: HostGroup, neighbours: Iterable[Neighbour]) -> RoomPlan:
    """How to make room for ``need`` on one of the hosts that suit it; without moves where there is room already.

    Ties go to other hosts than the original's, then to names.
    """
    suitable = sorted((host for host in hosts if suits(need, host, group)), key=lambda h: (h.name == need.host, h.name))
    by_host: dict[str, list[Neighbour]] = {}
    for neighbour in sorted(neighbours, key=lambda n: (n.cost, n.id)):
        by_host.setdefault(neighbour.host, []).append(neighbour)
    best: tuple[int, int] | None = None
    found = RoomPlan("", ())
    for host in suitable:
        if not host.offered and all(amount <= 0 for amount in _short(need, host, group).values()):
            # it is not for room that Placement does not offer this one
            continue
        others = [other for other in hosts if other.name != host.name]
        for movers in _ways(need, host, group, by_host.get(host.name, []), best):
            targets = _targets(movers, others, group)
            if targets is not None:
                best = (len(movers), sum(mover.cost for mover in movers))
                found = RoomPlan(host.name, tuple(_move(m, t) for m, t in zip(movers, targets, strict=True)))
                break
    return found if best is not None else RoomPlan("", (), _why_not(need, suitable, group, by_host))


def _move(mover: Neighbour, target: str) -> Move:
    return Move(mover.id, mover.name, mover.host, target, mover.cost)


def _ways(
    need: Need, host: HostFacts, group: HostGroup, there: Sequence[Neighbour], best: tuple[int, int] | None
) -> Iterator[tuple[Neighbour, ...]]:
    """Sets of neighbours whose leaving frees enough, fewest and cheapest first; only those that beat ``best``."""
    short = _short(need, host, group)
    movable = [n for n in there if not n.why_not]
    if len(movable) > _WEIGHED:
        largest = sorted(movable, key=lambda n: [-n.need.resources.get(name, 0) for name in sorted(short)])
        weighed = {n.id for n in (*movable[: _WEIGHED // 2], *largest[: _WEIGHED // 2])}
        movable = [n for n in movable if n.id in weighed]
    for count in range(min(MOST, best[0] if best else MOST, len(movable)) + 1):
        enough = [some for some in combinations(movable, count) if _frees(some, short)]
        for some in sorted(enough, key=lambda chosen: sum(n.cost for n in chosen)):
            if best is None or (count, sum(n.cost for n in some)) < best:
                yield some


def _short(need: Need, host: HostFacts, group: HostGroup) -> dict[str, int]:
    """What is missing there, within the ceiling and besides what other jobs hold."""
    free = room(host, group, need.resources)
    return {name: asked - free[name] + host.held.get(name, 0) for name, asked in need.resources.items()}


def _frees(some: Sequence[Neighbour], short: Mapping[str, int]) -> bool:
    return all(sum(n.need.resources.get(name, 0) for n in some) >= amount for name, amount in short.items())


def _targets(movers: Sequence[Neighbour], others: Sequence[HostFacts], group: HostGroup) -> tuple[str, ...] | None:
    """A host for each of ``movers``, all of them together; None if there is none."""
    kinds = {name for mover in movers for name in mover.need.resources}
    asked = dict.fromkeys(kinds, 0)
    free = {
        host.name: {name: left - host.held.get(name, 0) for name, left in room(host, group, asked).items()}
        for host in others
    }

    def assign(rest: Sequence[Neighbour], taken: tuple[tuple[Neighbour, str], ...]) -> tuple[str, ...] | None:
        if not rest:
            return tuple(target for _, target in taken)
        mover = rest[0]
        for host in sorted(others, key=lambda other: other.name):
            left = free[host.name]
            fits = all(amount <= left[name] for name, amount in mover.need.resources.items())
            rivals = any(target == host.name and mover.apart_from & other.apart_from for other, target in taken)
            if not fits or rivals or not suits(mover.need, host, group):
                continue
            for name, amount in mover.need.resources.items():
                left[name] -= amount
            if found := assign(rest[1:], (*taken, (mover, host.name))):
                return found
            for name, amount in mover.need.resources.items():
                left[name] += amount
        return None

    return assign(movers, ())


def _why_not(
    need: Need, suitable: Sequence[HostFacts], group: HostGroup, by_host: Mapping[str, Sequence[Neighbour]]
) -> str:
    """Needed, free, and what moving could free, host by host."""
    needed = ", ".join(f"{name} {amount}" for name, amount in sorted(need.resources.items()))
    told = [f"needed: {needed}"]
    for host in suitable:
        free = room(host, group, need.resources)
        there = by_host.get(host.name, ())
        movable = [n for n in there if not n.why_not]
        numbers = ", ".join(
            f"{name} {left - host.held.get(name, 0)} free, "
            f"{sum(n.need.resources.get(name, 0) for n in movable)} more with its movable neighbours gone"
            for name, left in sorted(free.items())
        )
        stay = "".join(f"; {n.name} stays: {n.why_not}" for n in there if n.why_not)
        told.append(f"{host.name}: {numbers} ({len(movable)} of {len(there)} neighbours may be moved{stay})")
    if len(told) == 1:
        told.append("no host of the group suits it, however empty")
    return "; ".join(told)
