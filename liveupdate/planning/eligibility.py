"""Which hosts may take a server at all, and why the others may not. Pure: eligibility comes before policy."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from liveupdate.model import SameHost
from liveupdate.planning.fleet import MEMORY, PROCESSOR, HostFacts, Inventory
from liveupdate.planning.groups import HostGroup

_SCOPE = "aggregate_instance_extra_specs:"
_OR = "<or>"
#: Traits that tell which instructions a host's processors have: a moved process may use any of them.
_INSTRUCTIONS = ("HW_ARCH_", "HW_CPU_", "COMPUTE_ARCH_")

#: Kinds of refusals that others must tell from the rest.
HELD = "reserved by other jobs"
ELSEWHERE = "in another host group"


@dataclass(frozen=True)
class Need:
    """What the surrogate asks of a host: what its original got.

    ``zone`` is "" if none was asked for. ``together`` are the hosts that hard affinity allows, empty if there is none;
    ``apart`` those that hard anti-affinity forbids; ``soft`` host → members of its soft groups that are better (below
    zero: affinity) or worse (anti-affinity) to be near to. ``same_host`` is the requester's wish.
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
    same_host: SameHost = SameHost.LAST
    #: Host → why Nova would not have it there.
    refused_by_nova: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refusal:
    """``kind`` is the same for all hosts it befalls; ``told`` has this host's numbers."""

    kind: str
    told: str = ""


def suits(need: Need, host: HostFacts, group: HostGroup) -> bool:
    """Whether the host may take it if only it had the room."""
    return _unfit(need, host, group) is None


def refuse(need: Need, host: HostFacts, group: HostGroup) -> Refusal | None:
    """Why the host may not take it; what only time can change (room) is looked at last."""
    return _unfit(need, host, group) or _of_room(need, host, group)


def _unfit(need: Need, host: HostFacts, group: HostGroup) -> Refusal | None:
    looks = (_of_group(host, group), _of_service(host), _of_kind(need, host), _of_neighbours(need, host))
    return next((found for found in looks if found), None)


def _of_group(host: HostFacts, group: HostGroup) -> Refusal | None:
    if len(host.groups) > 1:
        return Refusal("in two host groups", f"in two host groups: {', '.join(host.groups)}")
    if group.name not in host.groups:
        return Refusal(ELSEWHERE, f"in host group {', '.join(host.groups)}")
    if group.faults:
        return Refusal("its host group is set up wrongly", f"its host group: {'; '.join(group.faults)}")
    return None


def _of_service(host: HostFacts) -> Refusal | None:
    if not host.enabled:
        return Refusal("disabled", f"disabled: {host.why_disabled or 'no reason given'}")
    return None if host.up else Refusal("down")


def _of_kind(need: Need, host: HostFacts) -> Refusal | None:
    if need.zone and host.zone != need.zone:
        return Refusal("in another availability zone", f"in availability zone {host.zone}, not {need.zone}")
    if not _aggregates_suit(need.extra_specs, host.aggregates):
        return Refusal("not of the flavor's kind", "its aggregates do not have what the flavor's extra specs ask for")
    if lacking := need.required - host.traits:
        return Refusal("lacks required traits", f"lacks {', '.join(sorted(lacking))}")
    if unwanted := need.forbidden & host.traits:
        return Refusal("has forbidden traits", f"has {', '.join(sorted(unwanted))}")
    if features := {t for t in need.instructions if t.startswith(_INSTRUCTIONS)} - host.traits:
        return Refusal("lacks processor features", f"lacks what the original's host has: {', '.join(sorted(features))}")
    return None


def _of_neighbours(need: Need, host: HostFacts) -> Refusal | None:
    if need.together and host.name not in need.together:
        return Refusal("not where the server group is")
    if host.name in need.apart:
        return Refusal("taken by the server group")
    if need.same_host == SameHost.AVOID and host.name == need.host:
        return Refusal("the original's host")
    if why := need.refused_by_nova.get(host.name):
        return Refusal("refused by Nova", f"refused by Nova: {why}")
    return None


def _of_room(need: Need, host: HostFacts, group: HostGroup) -> Refusal | None:
    short = {name: asked for name, asked in need.resources.items() if asked > host.free(name)}
    if short:
        held = all(asked <= host.free(name) + host.held.get(name, 0) for name, asked in short.items()) and host.offered
        told = "; ".join(
            f"{name}: {asked} needed, {max(0, host.free(name))} of {host.capacity(name)} free"
            for name, asked in sorted(short.items())
        )
        return Refusal(HELD, f"{told} ({HELD})") if held else Refusal("without room", told)
    if not host.offered:
        return Refusal("no offer of Placement's", "Placement offers no such allocation here (devices, traits, units)")
    return _of_ceiling(need, host, group.rules.fill_ceiling)


def _of_ceiling(need: Need, host: HostFacts, ceiling: int) -> Refusal | None:
    for name in (*PROCESSOR, MEMORY):
        asked = need.resources.get(name, 0)
        if asked and host.share_after(name, asked) > Fraction(ceiling, 100):
            after = float(host.share_after(name, asked)) * 100
            told = f"{name} would be {after:.1f} % allocated, the group's ceiling is {ceiling} %"
            alone = host.share_after(name, asked - host.held.get(name, 0)) <= Fraction(ceiling, 100)
            return Refusal(HELD, f"{told} ({HELD})") if alone else Refusal("above the group's ceiling", told)
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


def room(host: HostFacts, group: HostGroup, resources: Mapping[str, int]) -> dict[str, int]:
    """What newcomers may take of each of ``resources``, whatever is held: to the capacity or the group's ceiling."""
    free = {}
    for name in resources:
        inventory = host.inventories.get(name, Inventory(0))
        ceiling = group.rules.fill_ceiling if name in (*PROCESSOR, MEMORY) else 100
        free[name] = inventory.capacity * ceiling // 100 - inventory.used
    return free
