"""Host groups: which hosts belong together, and how a surrogate is placed among them. Pure.

A group is a Nova host aggregate whose metadata has KEYS: other tools see it, and a lost database loses nothing. The
default group holds the hosts that are in no other; its aggregate has no hosts, and exists once somebody has set it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from liveupdate.errors import NotFound
from liveupdate.planning.policies import DEFAULT as DEFAULT_POLICY
from liveupdate.planning.policies import POLICIES

DEFAULT = "default"
#: The default group's aggregate must not take the name of one that an operator has.
DEFAULT_AGGREGATE = "liveupdate-default"

#: What to do where a host's utilization is not known: leave that host out, or choose by another policy.
REFUSE = "refuse"
WITHOUT_METRICS = (REFUSE, *(p.name for p in POLICIES.values() if not p.measured))

_POLICY = "liveupdate:policy"
_CEILING = "liveupdate:fill_ceiling"
_PATHS = "liveupdate:minimum_paths"
_ROOM = "liveupdate:make_room"
_METRICS = "liveupdate:without_metrics"
KEYS = (_POLICY, _CEILING, _PATHS, _ROOM, _METRICS)


class Aggregate(Protocol):
    """What must be known of a host aggregate; drivers/cloud/aggregates.py has one."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str: ...

    @property
    def hosts(self) -> Sequence[str]: ...

    @property
    def metadata(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Rules:
    """``fill_ceiling``: percent of a host's processors and memory that may be allocated with the newcomer."""

    policy: str = DEFAULT_POLICY
    fill_ceiling: int = 100
    #: Paths that every volume must have on a host of this group.
    minimum_paths: int = 1
    make_room: bool = False
    without_metrics: str = REFUSE

    @property
    def counts_servers(self) -> bool:
        """Whether a policy that may come to judge counts the servers of hosts."""
        return any(POLICIES[name].counted for name in (self.policy, self.without_metrics) if name in POLICIES)


@dataclass(frozen=True)
class HostGroup:
    """``aggregate_id`` is None for a default group that nobody has set; ``faults`` are metadata that make no sense."""

    name: str
    rules: Rules
    hosts: tuple[str, ...] = ()
    aggregate_id: int | None = None
    faults: tuple[str, ...] = ()


def metadata(rules: Rules) -> dict[str, str]:
    return {
        _POLICY: rules.policy,
        _CEILING: str(rules.fill_ceiling),
        _PATHS: str(rules.minimum_paths),
        _ROOM: str(rules.make_room).lower(),
        _METRICS: rules.without_metrics,
    }


def read(aggregates: Iterable[Aggregate], hosts: Iterable[str]) -> tuple[HostGroup, ...]:
    """Every group, the default one first, the others by name. ``hosts``: all that there are."""
    groups = sorted((_group(a) for a in aggregates if _POLICY in a.metadata), key=lambda group: group.name)
    taken = {host for group in groups if group.name != DEFAULT for host in group.hosts}
    rest = tuple(sorted(set(hosts) - taken))
    told = next((group for group in groups if group.name == DEFAULT), HostGroup(DEFAULT, Rules()))
    default = HostGroup(DEFAULT, told.rules, rest, told.aggregate_id, told.faults)
    return (default, *(group for group in groups if group.name != DEFAULT))


def find(groups: Sequence[HostGroup], name: str) -> HostGroup:
    """Raises NotFound naming those that there are."""
    found = next((group for group in groups if group.name == name), None)
    if found is None:
        raise NotFound(
            f"there is no host group {name!r}",
            code="live-update.host-group.not-found",
            remedy=f"one of: {', '.join(group.name for group in groups)}",
        )
    return found


def of_host(groups: Iterable[HostGroup], host: str) -> tuple[str, ...]:
    """Names of the groups that the host is in: one, unless somebody has put it into two behind our back."""
    return tuple(group.name for group in groups if host in group.hosts)


def _group(aggregate: Aggregate) -> HostGroup:
    name = DEFAULT if aggregate.name == DEFAULT_AGGREGATE else aggregate.name
    told, faults = aggregate.metadata, []

    def number(key: str, default: int, lowest: int, highest: int) -> int:
        value = told.get(key, str(default))
        if value.isascii() and value.isdigit() and lowest <= int(value[:9]) <= highest:
            return int(value)
        faults.append(f"{key} is {value!r}, not {lowest} to {highest}")
        return default

    def one_of(key: str, default: str, known: Iterable[str]) -> str:
        value = told.get(key, default)
        if value in known:
            return value
        faults.append(f"{key} is {value!r}, none of {', '.join(known)}")
        return default

    rules = Rules(
        policy=one_of(_POLICY, DEFAULT_POLICY, POLICIES),
        fill_ceiling=number(_CEILING, Rules.fill_ceiling, 1, 100),
        minimum_paths=number(_PATHS, Rules.minimum_paths, 1, 64),
        make_room=one_of(_ROOM, "false", ("true", "false")) == "true",
        without_metrics=one_of(_METRICS, REFUSE, WITHOUT_METRICS),
    )
    return HostGroup(name, rules, tuple(sorted(aggregate.hosts)), aggregate.id, tuple(faults))
