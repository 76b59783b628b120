"""Room is made by the fewest and cheapest live migrations, and what may not be moved never is."""

from itertools import combinations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from liveupdate.planning.eligibility import Need
from liveupdate.planning.fleet import HostFacts, Inventory
from liveupdate.planning.groups import DEFAULT, HostGroup, Rules
from liveupdate.planning.room import MOST, Move, Neighbour, plan

GROUP = HostGroup(DEFAULT, Rules(make_room=True))
TWIN = Need("original", "elsewhere", {"VCPU": 2, "MEMORY_MB": 2048})


def host(name: str, vcpus: int, used: int, memory: int = 65536, **changes: object) -> HostFacts:
    inventories = {"VCPU": Inventory(vcpus, used=used), "MEMORY_MB": Inventory(memory)}
    return HostFacts(name, inventories=inventories, **changes)  # type: ignore[arg-type]


def neighbour(identifier: str, at: str, vcpus: int = 2, memory: int = 1024, **changes: object) -> Neighbour:
    need = Need(identifier, at, {"VCPU": vcpus, "MEMORY_MB": memory})
    return Neighbour(identifier, f"name-{identifier}", at, need, **changes)  # type: ignore[arg-type]


def test_where_there_is_room_nothing_moves() -> None:
    found = plan(TWIN, [host("a", 4, 4), host("b", 4, 2)], GROUP, [neighbour("n", "a")])
    assert (found.host, found.moves) == ("b", ())


def test_one_move_is_better_than_two_and_the_smaller_memory_better_than_the_larger() -> None:
    hosts = [host("a", 6, 6), host("b", 4, 3), host("c", 4, 3)]
    there = [
        neighbour("one", "a", 1, 100),
        neighbour("two", "a", 1, 100),
        neighbour("large", "a", 2, 8192),
        neighbour("middle", "a", 2, 4096),
    ]
    # b and c have one processor left each: nobody with two can go, so two must
    found = plan(TWIN, hosts, GROUP, there)
    assert found.host == "a"
    assert [(m.server_id, m.target) for m in found.moves] == [("one", "b"), ("two", "c")]
    # as soon as one of two fits anywhere, it goes, and the cheaper one
    roomier = [host("a", 6, 6), host("b", 8, 7), host("c", 8, 7), host("d", 8, 7, enabled=False)]
    assert len(plan(TWIN, roomier, GROUP, there).moves) == 2
    roomier[2] = host("c", 3, 2, groups=("gold",))
    assert plan(TWIN, roomier, GROUP, there).moves == ()


def test_a_neighbour_that_frees_enough_alone_goes_alone() -> None:
    hosts = [host("a", 6, 6), host("b", 8, 6, memory=4096)]
    there = [neighbour("one", "a", 1, 100), neighbour("two", "a", 1, 100), neighbour("big", "a", 2, 3000)]
    bigger = Need("original", "elsewhere", {"VCPU": 2, "MEMORY_MB": 8192})
    assert plan(bigger, hosts, GROUP, there).moves == (Move("big", "name-big", "a", "b", 3000),)


@pytest.mark.parametrize("why", ["it is locked", "its processors are pinned", "it has a GPU", "its owner says never"])
def test_what_may_not_be_moved_stays_and_the_refusal_names_it_with_the_numbers(why: str) -> None:
    hosts = [host("a", 2, 2), host("b", 3, 2)]
    found = plan(Need("o", "b", {"VCPU": 2}), hosts, GROUP, [neighbour("n", "a", 1, why_not=why)])
    assert (found.host, found.moves) == ("", ())
    assert found.why_not == (
        "needed: VCPU 2; "
        "a: VCPU 0 free, 0 more with its movable neighbours gone "
        f"(0 of 1 neighbours may be moved; name-n stays: {why}); "
        "b: VCPU 1 free, 0 more with its movable neighbours gone (0 of 0 neighbours may be moved)"
    )


def test_hosts_that_do_not_suit_are_neither_freed_nor_filled() -> None:
    hosts = [host("a", 2, 2), host("b", 9, 0, enabled=False), host("c", 9, 0, groups=("gold",))]
    found = plan(TWIN, hosts, GROUP, [neighbour("n", "a")])
    assert found.host == ""
    none = plan(TWIN, [host("b", 9, 0, up=False)], GROUP, [])
    assert none.why_not == "needed: MEMORY_MB 2048, VCPU 2; no host of the group suits it, however empty"


def test_a_host_that_placement_does_not_offer_for_other_reasons_is_not_emptied() -> None:
    hosts = [host("a", 9, 2, offered=False), host("b", 9, 8)]
    assert plan(TWIN, hosts, GROUP, [neighbour("n", "a", 1)]).host == ""


def test_what_other_jobs_hold_is_not_there_to_be_filled() -> None:
    hosts = [host("a", 2, 2), host("b", 3, 0, held={"VCPU": 2})]
    assert plan(TWIN, hosts, GROUP, [neighbour("n", "a")]).host == ""


def test_the_groups_ceiling_holds_for_twin_and_neighbours() -> None:
    hosts = [host("a", 10, 8), host("b", 10, 8)]
    there = [neighbour("n", "a", 1)]
    assert plan(TWIN, hosts, HostGroup(DEFAULT, Rules(fill_ceiling=90)), there).moves != ()
    assert plan(TWIN, hosts, HostGroup(DEFAULT, Rules(fill_ceiling=79)), there).host == ""


def test_members_of_one_anti_affinity_group_do_not_meet() -> None:
    large = Need("original", "elsewhere", {"VCPU": 2, "MEMORY_MB": 32768})
    hosts = [host("a", 2, 2), host("b", 9, 7, memory=4096), host("c", 9, 7, memory=4096)]
    twins = [neighbour(n, "a", 1, apart_from=frozenset({"g"})) for n in ("one", "two")]
    assert {m.target for m in plan(large, hosts, GROUP, twins).moves} == {"b", "c"}
    assert plan(large, hosts[:2], GROUP, twins).host == ""
    strangers = [neighbour(n, "a", 1) for n in ("one", "two")]
    assert {m.target for m in plan(large, hosts[:2], GROUP, strangers).moves} == {"b"}


@pytest.mark.parametrize("needed", [3, MOST, MOST + 1])
def test_no_more_than_a_few_are_moved(needed: int) -> None:
    large = Need("original", "elsewhere", {"VCPU": needed, "MEMORY_MB": 32768})
    hosts = [host("a", 9, 9), host("b", 9, 0, memory=8192)]
    found = plan(large, hosts, GROUP, [neighbour(f"n{n}", "a", 1) for n in range(9)])
    assert len(found.moves) == (needed if needed <= MOST else 0)


def test_a_large_host_is_planned_in_no_time() -> None:
    hosts = [host("a", 200, 200), host("b", 400, 399), host("c", 400, 399)]
    assert plan(TWIN, hosts, GROUP, [neighbour(f"n{n:03d}", "a", 1, n) for n in range(200)]).host == "a"


# -- against every way there is ----------------------------------------------------------------------------------------


@st.composite
def fleets(draw: st.DrawFn) -> tuple[list[HostFacts], list[Neighbour]]:
    hosts, neighbours = [], []
    for name in ("a", "b", "c")[: draw(st.integers(2, 3))]:
        sizes = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([512, 1024, 2048])), max_size=4))
        spare = draw(st.integers(0, 2))
        free = draw(st.sampled_from([0, 512, 1024, 4096]))
        there = [
            neighbour(f"{name}{n}", name, vcpus, memory, why_not=draw(st.sampled_from(["", "", "it is locked"])))
            for n, (vcpus, memory) in enumerate(sizes)
        ]
        used, full = sum(v for v, _ in sizes), sum(m for _, m in sizes)
        inventories = {"VCPU": Inventory(used + spare or 1, used=used), "MEMORY_MB": Inventory(full + free, used=full)}
        hosts.append(HostFacts(name, inventories=inventories))
        neighbours += there
    return hosts, neighbours


def best(hosts: list[HostFacts], neighbours: list[Neighbour]) -> tuple[int, int] | None:
    """Moves and their cost, by trying every set of neighbours of every host in every place."""
    costs = []
    for freed in hosts:
        movable = [n for n in neighbours if n.host == freed.name and not n.why_not]
        others = [h for h in hosts if h is not freed]
        for count in range(min(MOST, len(movable)) + 1):
            for some in combinations(movable, count):
                for places in product(others, repeat=count):
                    left = {(h.name, k): h.free(k) for h in hosts for k in TWIN.resources}
                    for moved, place in zip(some, places, strict=True):
                        for kind, amount in moved.need.resources.items():
                            left[freed.name, kind] += amount
                            left[place.name, kind] -= amount
                    for kind, amount in TWIN.resources.items():
                        left[freed.name, kind] -= amount
                    touched = {freed.name, *(p.name for p in places)}
                    if all(amount >= 0 for (name, _), amount in left.items() if name in touched):
                        costs.append((count, sum(m.need.resources["MEMORY_MB"] for m in some)))
    return min(costs, default=None)


@given(fleet=fleets())
@settings(max_examples=300, deadline=None)
def test_no_way_has_fewer_moves_or_copies_less(fleet: tuple[list[HostFacts], list[Neighbour]]) -> None:
    hosts, neighbours = fleet
    found = plan(TWIN, hosts, GROUP, neighbours)
    expected = best(hosts, neighbours)
    assert (found.host == "") == (expected is None)
    if expected is not None:
        assert (len(found.moves), sum(m.mebibytes for m in found.moves)) == expected
    stays = {n.id for n in neighbours if n.why_not}
    assert not stays & {m.server_id for m in found.moves}
    assert {m.origin for m in found.moves} <= {found.host}
