"""Where a surrogate may go: every host gets a verdict, a reason and, by its group's policy, a score. Pure.

Eligibility comes before policy: a host that may not take it is not scored. Among those that may, the owner's soft
wishes come first, then other hosts than the original's (two of the same would share one host's fate) unless it may be
any, then the policy's score, then the name: the same facts always give the same choice. Nova's scheduler has the last
word.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from liveupdate.model import NoData, SameHost
from liveupdate.planning.eligibility import ELSEWHERE, HELD, Need, Refusal, refuse
from liveupdate.planning.fleet import HostFacts
from liveupdate.planning.groups import REFUSE, HostGroup
from liveupdate.planning.policies import POLICIES, Policy, Score

#: Hosts that a refusal in one sentence names.
_NAMED = 20
#: Hosts that a job keeps the verdicts of.
_KEPT = 100


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
        named = [judged for judged in self.judged if not judged.fit and judged.kind != ELSEWHERE]
        told = [f"{judged.host}: {judged.reason}" for judged in named[:_NAMED]]
        more = len(named) - len(told)
        elsewhere = len(self.judged) - len(named)
        told += [f"{more} more"] if more else []
        told += [f"{elsewhere} {ELSEWHERE}"] if elsewhere else []
        return "; ".join(told) or "no host at all"

    def as_json(self) -> dict[str, Any]:
        """What explains the choice, host by host."""
        return self._told(self.judged)

    def summary(self) -> dict[str, Any]:
        """The same, small enough for a journal: the group's own hosts, the best first, and the others counted."""
        own = [judged for judged in self.judged if judged.kind != ELSEWHERE]
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
    refusals = {host.name: refusal for host in hosts if (refusal := refuse(need, host, group))}
    fit = [host for host in hosts if host.name not in refusals]
    policy, note = POLICIES[group.rules.policy], ""
    scores, blind = _scores(policy, need, fit)
    if blind and group.rules.without_metrics != REFUSE:
        names = ", ".join(f"{name} ({why})" for name, why in sorted(blind.items())[:_NAMED])
        note = f"{policy.name} cannot judge {names}: chosen by {group.rules.without_metrics}"
        policy = POLICIES[group.rules.without_metrics]
        scores, blind = _scores(policy, need, fit)
    refusals |= {name: Refusal("no fresh metrics", why) for name, why in blind.items()}
    best = sorted(scores, key=lambda name: _rank(need, name, scores[name]))
    ranked = tuple(Judged(name, True, _praise(need, name, scores[name]), score=scores[name].value) for name in best)
    refused = tuple(Judged(name, False, r.told or r.kind, r.kind) for name, r in sorted(refusals.items()))
    return Choice(
        group=group.name,
        policy=policy.name,
        judged=(*ranked, *refused),
        hints=_hints(need, best[0] if best else need.host),
        home=need.host,
        note=note,
        held_back=not ranked and any(refusal.kind == HELD for refusal in refusals.values()),
    )


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


def _rank(need: Need, name: str, score: Score) -> tuple[Any, ...]:
    home = name == need.host
    return need.soft.get(name, 0), home and need.same_host == SameHost.LAST, score.value, home, name


def _praise(need: Need, name: str, score: Score) -> str:
    near = need.soft.get(name, 0)
    told = [score.told]
    if near:
        told.append(f"{abs(near)} of its {'soft affinity' if near < 0 else 'soft anti-affinity'} group are here")
    if name == need.host:
        told.append("the original's host" + (": the last resort" if need.same_host == SameHost.LAST else ""))
    return "; ".join(told)


def _hints(need: Need, best: str) -> dict[str, str]:
    near = {"same_host" if best == need.host else "different_host": need.server_id}
    return near | ({"group": need.group_id} if need.group_id else {})
