"""Where a surrogate may go. Pure: hosts and room in, a choice and its reasons out.

Nova's scheduler has the last word: a user cannot name a host, so the choice becomes scheduler hints.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

_SCOPE = "aggregate_instance_extra_specs:"
_OR = "<or>"


class Host(Protocol):
    """What must be known of a host; drivers/cloud/hosts.py has one."""

    @property
    def name(self) -> str: ...

    @property
    def zone(self) -> str: ...

    @property
    def usable(self) -> bool: ...

    @property
    def aggregates(self) -> Mapping[str, frozenset[str]]: ...


@dataclass(frozen=True)
class Need:
    """What the surrogate asks of a host: what its original got.

    ``zone`` is "" if none was asked for; ``together`` and ``apart`` are the hosts of the members of its server groups
    with a hard policy, the original itself left out; ``avoid_same_host`` is the operator's wish.
    """

    server_id: str
    host: str
    zone: str = ""
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    group_id: str = ""
    together: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    avoid_same_host: bool = False


@dataclass(frozen=True)
class Choice:
    """``hosts``: those that can take it, other hosts first; ``hints`` are Nova's; ``refused`` tells reasons and counts.

    No hosts: it cannot be placed.
    """

    hosts: tuple[str, ...]
    other_host: bool
    hints: Mapping[str, str]
    refused: Mapping[str, int]

    def why_not(self) -> str:
        return ", ".join(f"{count} × {reason}" for reason, count in sorted(self.refused.items())) or "no host at all"


def choose(need: Need, hosts: Sequence[Host], with_room: Collection[str]) -> Choice:
    """Prefer another host; the same one will do, unless it is to be avoided.

    ``with_room`` are the names of the hosts that could take another server of this flavor now.
    """
    refused: Counter[str] = Counter()
    fit = []
    for host in hosts:
        if reason := _refusal(need, host, with_room):
            refused[reason] += 1
        else:
            fit.append(host.name)
    others = sorted(name for name in fit if name != need.host)
    same = [name for name in fit if name == need.host]
    if others:
        return Choice((*others, *same), True, _hints(need, {"different_host": need.server_id}), refused)
    return Choice(tuple(same), False, _hints(need, {"same_host": need.server_id}), refused)


def _hints(need: Need, hints: dict[str, str]) -> dict[str, str]:
    return hints | ({"group": need.group_id} if need.group_id else {})


def _refusal(need: Need, host: Host, with_room: Collection[str]) -> str:
    reasons = (
        (not host.usable, "down or disabled"),
        (bool(need.zone) and host.zone != need.zone, "in another availability zone"),
        (not _aggregates_suit(need.extra_specs, host.aggregates), "not of the flavor's kind"),
        (host.name not in with_room, "without room"),
        (bool(need.together) and host.name not in need.together, "not where the server group is"),
        (host.name in need.apart, "taken by the server group"),
        (need.avoid_same_host and host.name == need.host, "the original's host"),
    )
    return next((reason for applies, reason in reasons if applies), "")


def _aggregates_suit(extra_specs: Mapping[str, str], aggregates: Mapping[str, frozenset[str]]) -> bool:
    """As Nova's AggregateInstanceExtraSpecsFilter reads them: keys in its scope, or in none."""
    for key, wanted in extra_specs.items():
        if ":" in key and not key.startswith(_SCOPE):
            continue
        values = {v.strip() for v in wanted.split(_OR) if v.strip()}
        if not values & aggregates.get(key.removeprefix(_SCOPE), frozenset()):
            return False
    return True
