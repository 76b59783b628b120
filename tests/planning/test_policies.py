"""Each policy takes the host that its definition names: worked out here anew, from raw numbers, for random fleets."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveupdate.model import NoData, Utilization
from liveupdate.planning.eligibility import Need
from liveupdate.planning.fleet import HostFacts, Inventory
from liveupdate.planning.groups import DEFAULT, REFUSE, HostGroup, Rules
from liveupdate.planning.placement import Choice, choose
from liveupdate.planning.policies import POLICIES, Policy
from tests.planning.fleets import NO_DATA, RESOURCES, fleets, host, utilizations

NEED = Need("original", "elsewhere", RESOURCES)


def group(policy: str, **rules: object) -> HostGroup:
    return HostGroup(DEFAULT, Rules(policy, **rules))  # type: ignore[arg-type]


def place(hosts: list[HostFacts], policy: str, **rules: object) -> Choice:
    return choose(NEED, hosts, group(policy, **rules))


# -- the definitions, independently ------------------------------------------------------------------------------------


def taken(host: HostFacts, kind: str) -> int:
    return host.inventories[kind].used + host.held.get(kind, 0)


def size(inventory: Inventory) -> int:
    return int((inventory.total - inventory.reserved) * inventory.ratio)


def can_take(host: HostFacts) -> bool:
    room = all(taken(host, kind) + RESOURCES[kind] <= size(host.inventories[kind]) for kind in RESOURCES)
    return host.up and host.enabled and room


def allocated(host: HostFacts, kind: str) -> Fraction:
    return Fraction(taken(host, kind) + RESOURCES[kind], size(host.inventories[kind]))


def busy(host: HostFacts) -> Utilization:
    assert isinstance(host.utilization, Utilization)
    return host.utilization


#: Lower is better.
DEFINITIONS: dict[str, Callable[[HostFacts], float | Fraction]] = {
    "striping": lambda host: host.servers,
    "packing": lambda host: -host.servers,
    "cpu_allocation": lambda host: allocated(host, "VCPU"),
    "memory_allocation": lambda host: allocated(host, "MEMORY_MB"),
    "cpu_utilization": lambda host: busy(host).cpu,
    "memory_utilization": lambda host: busy(host).memory,
}


def best(hosts: list[HostFacts], policy: str) -> str | None:
    winner = None
    for candidate in sorted(filter(can_take, hosts), key=lambda h: h.name):
        if winner is None or DEFINITIONS[policy](candidate) < DEFINITIONS[policy](winner):
            winner = candidate
    return winner.name if winner else None


def test_there_is_a_definition_for_each_policy() -> None:
    assert set(DEFINITIONS) == set(POLICIES)


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_a_policy_says_whether_it_counts_servers(policy: Policy) -> None:
    """They are not asked for otherwise."""
    busy = Utilization(0.5, 0.5)
    some, more = (policy.score(host("h", servers=n, utilization=busy), {"VCPU": 1}) for n in (1, 2))
    assert (some != more) == policy.counted


# Each fleet is shown to all policies: to make one up takes far longer than to judge it.


@given(hosts=fleets())
@settings(max_examples=250, deadline=None)
def test_the_first_host_is_the_one_that_the_definition_names(hosts: list[HostFacts]) -> None:
    for policy in DEFINITIONS:
        assert next(iter(place(hosts, policy).hosts), None) == best(hosts, policy), policy


@given(hosts=fleets(), seed=st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_facts_does_not_matter(hosts: list[HostFacts], seed: Random) -> None:
    shuffled = list(hosts)
    seed.shuffle(shuffled)
    for policy in DEFINITIONS:
        assert place(shuffled, policy) == place(hosts, policy), policy


@given(hosts=fleets())
@settings(max_examples=50, deadline=None)
def test_every_host_gets_a_verdict_and_a_reason_and_what_is_fit_a_score(hosts: list[HostFacts]) -> None:
    for policy in DEFINITIONS:
        judged = place(hosts, policy).judged
        assert sorted(j.host for j in judged) == sorted(h.name for h in hosts), policy
        assert all(j.reason for j in judged), policy
        assert all((j.score is not None) == j.fit for j in judged), policy
        assert {j.host for j in judged if j.fit} == {h.name for h in hosts if can_take(h)}, policy


# -- without metrics ---------------------------------------------------------------------------------------------------

MEASURED = ("cpu_utilization", "memory_utilization")
UNMEASURED = [policy for policy in DEFINITIONS if policy not in MEASURED]


@given(hosts=fleets(st.one_of(utilizations, st.just(NO_DATA))))
@settings(max_examples=50, deadline=None)
def test_a_host_without_fresh_data_is_refused_where_the_group_says_so(hosts: list[HostFacts]) -> None:
    known = [h for h in hosts if not isinstance(h.utilization, NoData)]
    blind = {h.name for h in hosts if can_take(h) and isinstance(h.utilization, NoData)}
    for policy in MEASURED:
        choice = place(hosts, policy, without_metrics=REFUSE)
        assert next(iter(choice.hosts), None) == best(known, policy), policy
        assert {j.host for j in choice.judged if j.reason == NO_DATA.why} == blind, policy


@given(hosts=fleets(st.one_of(utilizations, st.just(NO_DATA))))
@settings(max_examples=50, deadline=None)
def test_or_all_are_judged_by_another_policy_and_it_is_said(hosts: list[HostFacts]) -> None:
    blind = sorted(h.name for h in hosts if can_take(h) and isinstance(h.utilization, NoData))
    for policy, other in product(MEASURED, UNMEASURED):
        choice = place(hosts, policy, without_metrics=other)
        used = other if blind else policy
        assert (choice.policy, next(iter(choice.hosts), None)) == (used, best(hosts, used)), (policy, other)
        assert all(name in choice.note for name in blind), (policy, other)
        assert bool(choice.note) == bool(blind), (policy, other)


# -- what the definitions mean, by example -----------------------------------------------------------------------------


def test_allocation_is_measured_with_the_newcomer_and_by_its_share() -> None:
    big = host("big", inventories={"VCPU": Inventory(64, used=32), "MEMORY_MB": Inventory(65536)})
    # less allocated today (1 of 4), but with the newcomer three quarters
    small = host("small", inventories={"VCPU": Inventory(4, used=1), "MEMORY_MB": Inventory(65536)})
    assert place([big, small], "cpu_allocation").hosts == ("big", "small")


def test_reserved_and_overcommitted_processors_count_as_placement_counts_them() -> None:
    plain = host("plain", inventories={"VCPU": Inventory(16, used=4), "MEMORY_MB": Inventory(65536)})
    over = host("over", inventories={"VCPU": Inventory(16, 8, 4.0, used=4), "MEMORY_MB": Inventory(65536)})
    choice = place([plain, over], "cpu_allocation")
    assert choice.hosts == ("over", "plain")
    assert choice.judged[0].reason == "18.8 % of 32 VCPU allocated with it"


def test_dedicated_processors_are_balanced_among_themselves() -> None:
    one = host("one", inventories={"VCPU": Inventory(4, used=4), "PCPU": Inventory(8, used=2)})
    two = host("two", inventories={"VCPU": Inventory(64), "PCPU": Inventory(8, used=4)})
    need = replace(NEED, resources={"PCPU": 2})
    assert choose(need, [one, two], group("cpu_allocation")).hosts == ("one", "two")


def test_of_shared_and_dedicated_processors_the_scarcer_count() -> None:
    one = host("one", inventories={"VCPU": Inventory(100, used=70), "PCPU": Inventory(8)})
    two = host("two", inventories={"VCPU": Inventory(100), "PCPU": Inventory(8, used=4)})
    choice = choose(replace(NEED, resources={"PCPU": 1, "VCPU": 3}), [one, two], group("cpu_allocation"))
    assert [judged.reason for judged in choice.judged] == [
        "62.5 % of 8 PCPU allocated with it",
        "73.0 % of 100 VCPU allocated with it",
    ]


def test_packing_stops_at_a_full_host() -> None:
    full = host("full", servers=9, inventories={"VCPU": Inventory(4, used=4), "MEMORY_MB": Inventory(65536)})
    choice = place([full, host("fuller", servers=3), host("empty")], "packing")
    assert choice.hosts == ("fuller", "empty")
    assert choice.judged[-1].reason == "VCPU: 2 needed, 0 of 4 free"
