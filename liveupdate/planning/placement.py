"""Where a surrogate may go: every host gets a verdict, a reason and, by its group's policy, a score. Pure.

Eligibility comes before policy: a host that may not take it is not scored. Among those that may, the owner's soft
wishes come first, then other hosts than the original's (two of the same would share one host's fate), then the policy's
score, then the name: the same facts always give the same choice. Nova's scheduler has the last word.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from liveupdate.model import NoData
from liveupdate.planning.fleet import MEMORY, PROCESSOR, HostFacts, Inventory
from liveupdate.planning.groups import REFUSE, HostGroup
from liveupdate.planning.policies import POLICIES, Policy, Score

_SCOPE = "aggregate_instance_extra_specs:"
_OR = "<or>"
#: Traits that tell which instructions a host's processors have: a moved process may use any of them.
_INSTRUCTIONS = ("HW_ARCH_", "HW_CPU_", "COMPUTE_ARCH_")

_HELD = "reserved by other jobs"
_ELSEWHERE = "in another host group"
#: Hosts that a refusal in one sentence names.
_NAMED = 20
#: Hosts that a job keeps the verdicts of.
_KEPT = 100


@dataclass(frozen=True)
class Need:
    """What the surrogate asks of a host: what its original got.

    ``zone`` is "" if none was asked for. ``together`` are the hosts that hard affinity allows, empty if there is none;
    ``apart`` those that hard anti-affinity forbids; ``soft`` host → members of its soft groups that are better (below
    zero: affinity) or worse (anti-affinity) to be near to. ``avoid_same_host`` is the operator's wish.
    """

    server_id: str
    host: str
    resources: Mapping[str, int] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    #: Traits of the original's host: its processors' features among them must be there, too.
    instructions: frozenset[str] = frozenset()
    zone: str = ""
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    group_id: str = ""
    together: frozenset[str] = frozenset()
    apart: frozenset[str] = frozenset()
    soft: Mapping[str, int] = field(default_factory=dict)
    avoid_same_host: bool = False
    #: Host → why Nova would not have it there.
    refused_by_nova: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Judged:
    """One host's verdict; ``kind`` sums a refusal up, for counting, ``reason`` tells it with this host's numbers.

    ``score`` is the policy's, the lowest wins; None for a host that may not take it.
    """

    host: str
    fit: bool
    reason: str
    kind: str = ""
    score: Fraction | float | None = None

    def as_json(self) -> dict[str, Any]:
        score = None if self.score is None else round(float(self.score), 6)
        return {"host": self.host, "verdict": "fit" if self.fit else "refused", "reason": self.reason, "score": score}


@dataclass(frozen=True)
class Choice:
    """``judged``: those that can take it, best first, then the others by name; ``hints`` are for Nova's scheduler.

    ``held_back`` is true if none can, but one could if other jobs gave back what they have reserved.
    """

    group: str
    policy: str
    judged: tuple[Judged, ...]
    hints: Mapping[str, str]
    home: str
    note: str = ""
    held_back: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(judged.host for judged in self.judged if judged.fit)

    @property
    def other_host(self) -> bool:
        return bool(self.hosts) and self.hosts[0] != self.home

    @property
    def refused(self) -> Mapping[str, int]:
        return Counter(judged.kind for judged in self.judged if not judged.fit)

    def why_not(self) -> str:
        return ", ".join(f"{count} × {kind}" for kind, count in sorted(self.refused.items())) or "no host at all"

    def refusal(self) -> str:
        """Host by host with its numbers, those of other groups only counted."""
        named = [judged for judged in self.judged if not judged.fit and judged.kind != _ELSEWHERE]
        told = [f"{judged.host}: {judged.reason}" for judged in named[:_NAMED]]
        more = len(named) - len(told)
        elsewhere = len(self.judged) - len(named)
        told += [f"{more} more"] if more else []
        told += [f"{elsewhere} {_ELSEWHERE}"] if elsewhere else []
        return "; ".join(told) or "no host at all"

    def as_json(self) -> dict[str, Any]:
        """What explains the choice, host by host."""
        return self._told(self.judged)

    def summary(self) -> dict[str, Any]:
        """The same, small enough for a journal: the group's own hosts, the best first, and the others counted."""
        own = [judged for judged in self.judged if judged.kind != _ELSEWHERE]
        return self._told(own[:_KEPT])

    def _told(self, some: Sequence[Judged]) -> dict[str, Any]:
        left_out = Counter(judged.kind or "fit" for judged in self.judged)
        left_out.subtract(judged.kind or "fit" for judged in some)
        return {
            "group": self.group,
            "policy": self.policy,
            "note": self.note,
            "hosts": [judged.as_json() for judged in some],
            "left_out": {kind: count for kind, count in sorted(left_out.items()) if count},
        }


def choose(need: Need, hosts: Sequence[HostFacts], group: HostGroup) -> Choice:
    """Judge every host for a place in ``group``."""
    refusals = {host.name: refusal for host in hosts if (refusal := _refusal(need, host, group))}
    fit = [host for host in hosts if host.name not in refusals]
    policy, note = POLICIES[group.rules.policy], ""
    scores, blind = _scores(policy, need, fit)
    if blind and group.rules.without_metrics != REFUSE:
        names = ", ".join(f"{name} ({why})" for name, why in sorted(blind.items()))
        note = f"{policy.name} cannot judge {names}: chosen by {group.rules.without_metrics}"
        policy = POLICIES[group.rules.without_metrics]
        scores, blind = _scores(policy, need, fit)
    refusals |= {name: _Refusal("no fresh metrics", why) for name, why in blind.items()}
    best = sorted(scores, key=lambda name: (need.soft.get(name, 0), name == need.host, scores[name].value, name))
    ranked = tuple(Judged(name, True, _praise(need, name, scores[name]), score=scores[name].value) for name in best)
    refused = tuple(Judged(name, False, r.told or r.kind, r.kind) for name, r in sorted(refusals.items()))
    return Choice(
        group=group.name,
        policy=policy.name,
        judged=(*ranked, *refused),
        hints=_hints(need, best[0] if best else need.host),
        home=need.host,
        note=note,
        held_back=not ranked and any(refusal.kind == _HELD for refusal in refusals.values()),
    )


def room(host: HostFacts, group: HostGroup, resources: Mapping[str, int]) -> dict[str, int]:
    """What newcomers may take of each of ``resources``, whatever is held: to the capacity or the group's ceiling."""
    free = {}
    for name in resources:
        inventory = host.inventories.get(name, Inventory(0))
        ceiling = group.rules.fill_ceiling if name in (*PROCESSOR, MEMORY) else 100
        free[name] = inventory.capacity * ceiling // 100 - inventory.used
    return free


def _scores(policy: Policy, need: Need, hosts: Sequence[HostFacts]) -> tuple[dict[str, Score], dict[str, str]]:
    """host → score, and host → why there is none."""
    scores: dict[str, Score] = {}
    blind: dict[str, str] = {}
    for host in hosts:
        score = policy.score(host, need.resources)
        if isinstance(score, NoData):
            blind[host.name] = score.why
        else:
            scores[host.name] = score
    return scores, blind


def _praise(need: Need, name: str, score: Score) -> str:
    near = need.soft.get(name, 0)
    told = [score.told]
    if near:
        told.append(f"{abs(near)} of its {'soft affinity' if near < 0 else 'soft anti-affinity'} group are here")
    if name == need.host:
        told.append("the original's host: the last resort")
    return "; ".join(told)


def _hints(need: Need, best: str) -> dict[str, str]:
    near = {"same_host" if best == need.host else "different_host": need.server_id}
    return near | ({"group": need.group_id} if need.group_id else {})


# -- eligibility -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Refusal:
    """``kind`` is the same for all hosts it befalls; ``told`` has this host's numbers."""

    kind: str
    told: str = ""


def suits(need: Need, host: HostFacts, group: HostGroup) -> bool:
    """Whether the host may take it if only it had the room."""
    return _unfit(need, host, group) is None


def _refusal(need: Need, host: HostFacts, group: HostGroup) -> _Refusal | None:
    """Why the host may not take it; what only time can change (room) is looked at last."""
    return _unfit(need, host, group) or _of_room(need, host, group)


def _unfit(need: Need, host: HostFacts, group: HostGroup) -> _Refusal | None:
    looks = (_of_group(host, group), _of_service(host), _of_kind(need, host), _of_neighbours(need, host))
    return next((found for found in looks if found), None)


def _of_group(host: HostFacts, group: HostGroup) -> _Refusal | None:
    if len(host.groups) > 1:
        return _Refusal("in two host groups", f"in two host groups: {', '.join(host.groups)}")
    if group.name not in host.groups:
        return _Refusal(_ELSEWHERE, f"in host group {', '.join(host.groups)}")
    if group.faults:
        return _Refusal("its host group is set up wrongly", f"its host group: {'; '.join(group.faults)}")
    return None


def _of_service(host: HostFacts) -> _Refusal | None:
    if not host.enabled:
        return _Refusal("disabled", f"disabled: {host.why_disabled or 'no reason given'}")
    return None if host.up else _Refusal("down")


def _of_kind(need: Need, host: HostFacts) -> _Refusal | None:
    if need.zone and host.zone != need.zone:
        return _Refusal("in another availability zone", f"in availability zone {host.zone}, not {need.zone}")
    if not _aggregates_suit(need.extra_specs, host.aggregates):
        return _Refusal("not of the flavor's kind", "its aggregates do not have what the flavor's extra specs ask for")
    if lacking := need.required - host.traits:
        return _Refusal("lacks required traits", f"lacks {', '.join(sorted(lacking))}")
    if unwanted := need.forbidden & host.traits:
        return _Refusal("has forbidden traits", f"has {', '.join(sorted(unwanted))}")
    if features := {t for t in need.instructions if t.startswith(_INSTRUCTIONS)} - host.traits:
        return _Refusal(
            "lacks processor features", f"lacks what the original's host has: {', '.join(sorted(features))}"
        )
    return None


def _of_neighbours(need: Need, host: HostFacts) -> _Refusal | None:
    if need.together and host.name not in need.together:
        return _Refusal("not where the server group is")
    if host.name in need.apart:
        return _Refusal("taken by the server group")
    if need.avoid_same_host and host.name == need.host:
        return _Refusal("the original's host")
    if why := need.refused_by_nova.get(host.name):
        return _Refusal("refused by Nova", f"refused by Nova: {why}")
    return None


def _of_room(need: Need, host: HostFacts, group: HostGroup) -> _Refusal | None:
    short = {name: asked for name, asked in need.resources.items() if asked > host.free(name)}
    if short:
        held = all(asked <= host.free(name) + host.held.get(name, 0) for name, asked in short.items()) and host.offered
        told = "; ".join(
            f"{name}: {asked} needed, {max(0, host.free(name))} of {host.capacity(name)} free"
            for name, asked in sorted(short.items())
        )
        return _Refusal(_HELD, f"{told} ({_HELD})") if held else _Refusal("without room", told)
    if not host.offered:
        return _Refusal("no offer of Placement's", "Placement offers no such allocation here (devices, traits, units)")
    return _of_ceiling(need, host, group.rules.fill_ceiling)


def _of_ceiling(need: Need, host: HostFacts, ceiling: int) -> _Refusal | None:
    for name in (*PROCESSOR, MEMORY):
        asked = need.resources.get(name, 0)
        if asked and host.share_after(name, asked) > Fraction(ceiling, 100):
            after = float(host.share_after(name, asked)) * 100
            told = f"{name} would be {after:.1f} % allocated, the group's ceiling is {ceiling} %"
            alone = host.share_after(name, asked - host.held.get(name, 0)) <= Fraction(ceiling, 100)
            return _Refusal(_HELD, f"{told} ({_HELD})") if alone else _Refusal("above the group's ceiling", told)
    return None


def _aggregates_suit(extra_specs: Mapping[str, str], aggregates: Mapping[str, frozenset[str]]) -> bool:
    """As Nova's AggregateInstanceExtraSpecsFilter reads them: keys in its scope, or in none."""
    for key, wanted in extra_specs.items():
        if (":" in key and not key.startswith(_SCOPE)) or key == "group_policy":
            continue
        values = {v.strip() for v in wanted.split(_OR) if v.strip()}
        if not values & aggregates.get(key.removeprefix(_SCOPE), frozenset()):
            return False
    return True
