"""A full group makes room by moving neighbours, one at a time; what fails is planned around; undone, nothing moves."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.cloud.placement import Amount, Stock
from liveupdate.drivers.cloud.servers import Flavor, Group
from liveupdate.errors import Failed, Retry
from liveupdate.model import JobKind, Json
from liveupdate.planning import groups
from liveupdate.planning.groups import DEFAULT_AGGREGATE, Rules
from liveupdate.states import ResourceState
from liveupdate.steps import place, preflight
from liveupdate.steps.making_room import PATIENCE
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.servers import server
from tests.steps.conftest import context_of
from tests.steps.crashes import crashes

ONE = Flavor("one", 1, 512, 0, 0, {})


def stock(vcpus: int, used: int) -> Stock:
    return Stock({"VCPU": (Amount(vcpus, 0, 1.0, used),), "MEMORY_MB": (Amount(1 << 16, 0, 1.0, 0),)}, frozenset())


def full(*, make_room: bool = True) -> World:
    """The original (2 VCPU) on host1, two neighbours of 1 VCPU on host2; host3 has room for one of these, host4 too."""
    world = with_server()
    world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 5)]
    world.stocks = {"host1": stock(2, 2), "host2": stock(2, 2), "host3": stock(1, 0), "host4": stock(1, 0)}
    for name in ("n1", "n2"):
        world.servers[name] = server(name, name=f"name-{name}", host="host2", flavor=ONE, tags=())
    rules = groups.metadata(Rules(make_room=make_room))
    world.aggregates = {1: Aggregate(1, DEFAULT_AGGREGATE, (), rules)}
    return world


def until_it_rests(context: MemoryContext, between: Callable[[], None] = lambda: None) -> Json:
    for _ in range(40):
        try:
            return context.run(place.STEP)
        except Retry:
            between()
    raise AssertionError("it never rests")


def told(context: MemoryContext, kind: str) -> list[str]:
    return [str(detail["server_id"]) for type_, detail in context.events if type_ == kind]


@pytest.fixture
def world() -> World:
    return full()


def test_room_is_made_and_taken(world: World, context: MemoryContext) -> None:
    result = until_it_rests(context)
    assert result["host"] == "host2"
    assert {s.id: s.host for s in world.servers.values()} == {"original": "host1", "n1": "host3", "n2": "host4"}
    assert [(r.details["name"], r.state) for r in context.ledger.lines] == [
        ("name-n1", ResourceState.KEPT),
        ("name-n2", ResourceState.KEPT),
    ]
    assert told(context, "room.moved") == ["n1", "n2"]


def test_one_at_a_time(world: World, context: MemoryContext) -> None:
    world.slow = {"n1", "n2"}
    for _ in range(3):
        with pytest.raises(Retry, match="name-n1 to move from host2 to host3") as waits:
            place.STEP.apply(context)
    assert not waits.value.counts
    assert waits.value.watch is not None
    assert (waits.value.watch.id, waits.value.watch.seen) == ("n1", "MIGRATING/")
    assert world.servers["n2"].status == "ACTIVE"


def test_only_where_the_group_allows_it(context: MemoryContext, world: World) -> None:
    world.aggregates = full(make_room=False).aggregates
    with pytest.raises(Failed, match="host2: VCPU: 2 needed, 0 of 2 free"):
        place.STEP.apply(context)
    assert world.servers["n1"].host == "host2"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"locked": True}, "it is locked"),
        ({"metadata": {"liveupdate:action": "never"}}, "its owner says never"),
        ({"tags": ("liveupdate:action=never",)}, "its owner says never"),
        ({"tags": ("liveupdate:0f7a:surrogate",)}, "it belongs to a live update"),
        ({"status": "SHUTOFF"}, "it is SHUTOFF"),
        ({"task_state": "resize_prep"}, "Nova is at work on it: resize_prep"),
        ({"flavor": replace(ONE, extra_specs={"resources:VGPU": "1"})}, "it holds devices of its host: resources:VGPU"),
        ({"flavor": replace(ONE, extra_specs={"hw:cpu_policy": "dedicated"})}, "its processors are pinned"),
    ],
)
def test_what_may_not_be_moved_is_not_and_the_refusal_names_it(
    world: World, context: MemoryContext, changes: dict[str, object], why: str
) -> None:
    world.servers["n2"] = replace(world.servers["n2"], **changes)  # type: ignore[arg-type]
    before = dict(world.servers)
    with pytest.raises(Failed) as refused:
        until_it_rests(context)
    assert f"name-n2 stays: {why}" in refused.value.detail
    assert "needed: MEMORY_MB 1024, VCPU 2" in refused.value.detail
    assert "host2: " in refused.value.detail
    assert world.servers == before


@pytest.mark.parametrize("policy", ["affinity", "anti-affinity", "soft-affinity"])
def test_a_neighbours_own_place_does_not_hold_it_back(world: World, context: MemoryContext, policy: str) -> None:
    world.groups["g"] = Group("g", "g", policy, ("n1",))
    world.servers["n1"] = replace(world.servers["n1"], server_groups=("g",))
    assert until_it_rests(context)["host"] == "host2"


def test_a_neighbour_stays_with_its_hard_affinity_group(world: World, context: MemoryContext) -> None:
    world.servers["n3"] = server("n3", host="host2", flavor=ONE, tags=(), locked=True)
    world.groups["g"] = Group("g", "g", "affinity", ("n1", "n3"))
    world.servers["n1"] = replace(world.servers["n1"], server_groups=("g",))
    with pytest.raises(Failed, match="no room can be made"):
        until_it_rests(context)


def test_one_that_fails_is_planned_around(world: World, context: MemoryContext) -> None:
    world.servers["n3"] = server("n3", name="name-n3", host="host2", flavor=replace(ONE, memory=4096), tags=())
    world.stocks["host2"] = stock(3, 3)
    world.unmovable = {"n1"}
    assert until_it_rests(context)["host"] == "host2"
    assert told(context, "room.not-moved") == ["n1"]
    assert told(context, "room.moved") == ["n2", "n3"]
    assert world.servers["n1"].host == "host2"


def test_when_no_other_way_is_left_it_is_refused_and_says_so(world: World, context: MemoryContext) -> None:
    world.unmovable = {"n1"}
    with pytest.raises(Failed, match="name-n1 stays: it could not be moved"):
        until_it_rests(context)


def test_one_that_takes_too_long_is_stopped(world: World, context: MemoryContext) -> None:
    world.slow = {"n1"}
    with pytest.raises(Retry):
        place.STEP.apply(context)
    later = context.job.updated_at + PATIENCE + timedelta(seconds=1)
    context.job = replace(context.job, updated_at=later)
    with pytest.raises(Retry):
        place.STEP.apply(context)
    assert world.servers["n1"].status == "ACTIVE"
    with pytest.raises(Failed, match="name-n1 stays: it could not be moved"):
        until_it_rests(context)
    assert told(context, "room.too-slow") == ["n1"]


def test_undo_stops_what_is_under_way_and_leaves_what_has_moved(world: World, context: MemoryContext) -> None:
    world.slow = {"n2"}
    with pytest.raises(AssertionError, match="never rests"):
        until_it_rests(context)
    for _ in range(2):
        place.STEP.undo(context)
        assert {s.id: (s.host, s.status) for s in world.servers.values()} == {
            "original": ("host1", "ACTIVE"),
            "n1": ("host3", "ACTIVE"),
            "n2": ("host2", "ACTIVE"),
        }
    assert context.ledger.open() == []


def test_room_that_somebody_else_frees_is_taken_after_the_move_has_ended(world: World, context: MemoryContext) -> None:
    world.slow = {"n1"}
    with pytest.raises(Retry):
        place.STEP.apply(context)
    world.stocks["host4"] = stock(8, 0)
    with pytest.raises(Retry, match="waits for name-n1"):
        place.STEP.apply(context)
    world.servers["n1"] = replace(world.servers["n1"], host="host3", status="ACTIVE")
    assert until_it_rests(context)["host"] == "host4"
    assert context.ledger.open() == []


def test_a_preview_shows_the_moves_and_moves_nothing(world: World, context: MemoryContext) -> None:
    context.job = job(kind=JobKind.PREVIEW)
    before = dict(world.servers)
    result = preflight.STEP.apply(context)
    [room] = [f for f in result["findings"] if f["code"] == "placement.room"]
    assert room["verdict"] == "warn"
    assert room["detail"] == (
        "room is made on host2 by live migration of name-n1 from host2 to host3; name-n2 from host2 to host4"
    )
    assert [m["server_id"] for m in result["placement"]["moves"]] == ["n1", "n2"]
    assert world.servers == before


def test_a_preview_says_with_numbers_that_no_room_can_be_made(world: World, context: MemoryContext) -> None:
    context.job = job(kind=JobKind.PREVIEW)
    world.servers["n1"] = replace(world.servers["n1"], locked=True)
    result = preflight.STEP.apply(context)
    [room] = [f for f in result["findings"] if f["code"] == "placement.room"]
    assert room["verdict"] == "block"
    assert "needed: MEMORY_MB 1024, VCPU 2" in room["detail"]
    assert "VCPU 0 free, 1 more with its movable neighbours gone" in room["detail"]
    assert "name-n1 stays: it is locked" in room["detail"]


@pytest.mark.parametrize("then", ["goes on", "is undone"])
def test_killed_at_any_moment_it(then: str) -> None:
    def made() -> tuple[World, MemoryContext]:
        world = full()
        return world, context_of(world)

    for world, context in crashes(made, until_it_rests, least=9):
        if then == "goes on":
            assert until_it_rests(context)["host"] == "host2"
            assert {s.host for s in world.servers.values()} == {"host1", "host3", "host4"}
        else:
            place.STEP.undo(context)
            assert {s.status for s in world.servers.values()} == {"ACTIVE"}
            assert context.reservations.mine() is None or not context.reservations.mine().live  # type: ignore[union-attr]
        assert context.ledger.open() == []
