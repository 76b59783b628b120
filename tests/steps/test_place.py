"""A host is chosen, its room held, asked of Nova by name, and looked at afterwards; refused, the next best is tried."""

from dataclasses import replace

import pytest

from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.cloud.placement import Amount, Stock
from liveupdate.drivers.cloud.servers import Flavor, Group
from liveupdate.drivers.cloud.volumes import Volume
from liveupdate.errors import Failed, Retry
from liveupdate.model import Held, Json, NoData, Utilization
from liveupdate.planning import groups
from liveupdate.planning.groups import Rules
from liveupdate.states import ResourceState
from liveupdate.steps import place, provision
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.servers import server
from liveupdate.testing.storage import Volumes
from tests.steps.conftest import context_of, run_before
from tests.steps.crashes import Crash, alive, crash_at, crashes

FULL = Stock({"VCPU": (Amount(4, 0, 1.0, 4),), "MEMORY_MB": (Amount(4096, 0, 1.0, 4096),)}, frozenset())
ONE_LEFT = Stock({"VCPU": (Amount(4, 0, 1.0, 2),), "MEMORY_MB": (Amount(4096, 0, 1.0, 0),)}, frozenset())


def with_hosts(count: int = 4) -> World:
    """The original on host1."""
    world = with_server()
    world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, count + 1)]
    return world


def grouped(world: World, name: str, *hosts: str, **rules: object) -> None:
    number = len(world.aggregates) + 1
    metadata = groups.metadata(Rules(**rules))  # type: ignore[arg-type]
    world.aggregates[number] = Aggregate(number, name, hosts, metadata)


def verdicts(result: Json) -> dict[str, str]:
    return {told["host"]: told["verdict"] for told in result["placement"]["hosts"]}


def reasons(result: Json) -> dict[str, str]:
    return {told["host"]: told["reason"] for told in result["placement"]["hosts"]}


@pytest.fixture
def world() -> World:
    return with_hosts()


# -- place -------------------------------------------------------------------------------------------------------------


def test_room_is_held_on_the_host_that_is_chosen(world: World, context: MemoryContext) -> None:
    world.servers["other"] = server("other", host="host2")
    result = context.run(place.STEP)
    assert (result["host"], result["other_host"]) == ("host3", True)
    mine = context.reservations.mine()
    assert mine is not None
    assert (mine.host, mine.resources, mine.live) == ("host3", {"VCPU": 2, "MEMORY_MB": 1024}, True)
    assert verdicts(result) == {"host3": "fit", "host4": "fit", "host2": "fit", "host1": "fit"}


def test_undo_gives_the_room_back_and_may_be_repeated(world: World, context: MemoryContext) -> None:
    place.STEP.undo(context)
    context.run(place.STEP)
    for _ in range(2):
        place.STEP.undo(context)
        mine = context.reservations.mine()
        assert mine is not None
        assert (mine.live, mine.resources) == (False, {})


def test_applied_again_it_holds_room_once(world: World, context: MemoryContext) -> None:
    assert context.run(place.STEP) == context.run(place.STEP)


def test_it_stays_within_the_originals_host_group(world: World, context: MemoryContext) -> None:
    grouped(world, "gold", "host1", "host4", policy="packing")
    result = context.run(place.STEP)
    assert (result["host"], result["placement"]["group"], result["placement"]["policy"]) == ("host4", "gold", "packing")
    assert (set(reasons(result)), result["placement"]["left_out"]) == ({"host1", "host4"}, {"in another host group": 2})


def test_or_goes_to_the_group_that_is_asked_for(world: World, context: MemoryContext) -> None:
    grouped(world, "gold", "host3")
    context.job = job(parameters={"host_group": "gold"})
    assert context.run(place.STEP)["host"] == "host3"


def test_a_group_that_does_not_exist_is_the_requests_fault(context: MemoryContext) -> None:
    context.job = job(parameters={"host_group": "lead"})
    with pytest.raises(Failed, match="no host group 'lead'") as told:
        place.STEP.apply(context)
    assert (told.value.user_fault, told.value.code) == (True, "live-update.host-group.not-found")


def test_full_hosts_are_named_with_their_numbers(world: World, context: MemoryContext) -> None:
    world.stocks = {h.name: FULL for h in world.hosts}
    with pytest.raises(Failed) as told:
        place.STEP.apply(context)
    assert told.value.code == "live-update.placement.no-room"
    for host in world.hosts:
        assert f"{host.name}: MEMORY_MB: 1024 needed, 0 of 4096 free; VCPU: 2 needed, 0 of 4 free" in told.value.detail
    assert context.reservations.mine() is None


def test_room_that_other_jobs_hold_is_waited_for(world: World, context: MemoryContext) -> None:
    world.stocks = {h.name: FULL for h in world.hosts} | {"host3": ONE_LEFT}
    context.reservations.others = {"host3": Held(0, {"VCPU": 2, "MEMORY_MB": 1024}, 1)}
    with pytest.raises(Retry, match="waits for room that other jobs hold") as told:
        place.STEP.apply(context)
    assert not told.value.counts


def test_twins_on_their_way_count_as_servers(world: World, context: MemoryContext) -> None:
    context.reservations.others = {f"host{n}": Held(0, {"VCPU": 2}, 1) for n in (2, 3)}
    assert context.run(place.STEP)["host"] == "host4"


def test_a_host_that_another_job_takes_meanwhile_is_judged_anew(world: World, context: MemoryContext) -> None:
    world.stocks = {"host2": ONE_LEFT}

    def overtaken(_: str) -> None:
        context.reservations.others["host2"] = Held(0, {"VCPU": 2}, 1)

    context.reservations.before = overtaken
    assert context.run(place.STEP)["host"] == "host3"


def test_a_reservation_that_ends_meanwhile_makes_it_look_at_placement_anew(context: MemoryContext) -> None:
    looks = []

    def ended(write: str) -> None:
        looks.append(write)
        if len(looks) == 1:
            context.reservations.others["host2"] = Held(1)

    context.reservations.before = ended
    assert context.run(place.STEP)["host"] == "host2"
    assert looks == ["take", "take"]


# -- what it must respect ----------------------------------------------------------------------------------------------


def of_server_group(world: World, policy: str, *hosts: str, per_host: int = 1) -> None:
    for number, host in enumerate(hosts):
        world.servers[f"member{number}"] = server(f"member{number}", host=host)
    members = ("original", *(f"member{n}" for n in range(len(hosts))))
    world.groups["g"] = Group("g", "g", policy, members, per_host)
    world.servers["original"] = replace(world.servers["original"], server_groups=("g",))


def test_hard_anti_affinity_overrides_the_policy(world: World, context: MemoryContext) -> None:
    of_server_group(world, "anti-affinity", "host2", "host3")
    result = context.run(place.STEP)
    assert result["host"] == "host4"
    # the original is a member too
    assert verdicts(result) == {"host4": "fit", "host1": "refused", "host2": "refused", "host3": "refused"}
    assert result["hints"]["group"] == "g"


def test_anti_affinity_may_allow_more_than_one(world: World, context: MemoryContext) -> None:
    of_server_group(world, "anti-affinity", "host2", "host3", "host3", per_host=2)
    assert verdicts(context.run(place.STEP))["host2"] == "fit"
    assert verdicts(context.run(place.STEP))["host3"] == "refused"


def test_hard_affinity_keeps_it_with_its_group(world: World, context: MemoryContext) -> None:
    of_server_group(world, "affinity")
    result = context.run(place.STEP)
    assert (result["host"], result["other_host"]) == ("host1", False)


def test_soft_affinity_counts(world: World, context: MemoryContext) -> None:
    of_server_group(world, "soft-affinity", "host3", "host3")
    assert context.run(place.STEP)["host"] == "host3"


def test_soft_anti_affinity_counts(world: World, context: MemoryContext) -> None:
    of_server_group(world, "soft-anti-affinity", "host2", "host3")
    assert context.run(place.STEP)["host"] == "host4"


def test_the_traits_of_flavor_and_boot_image_are_asked_for(world: World, context: MemoryContext) -> None:
    flavor = Flavor("f", 1, 64, 0, 0, {"trait:CUSTOM_A": "required"})
    world.servers["original"] = replace(world.servers["original"], flavor=flavor)
    world.volumes["root-volume"] = replace(
        world.volumes["root-volume"], image_properties={"trait:CUSTOM_B": "forbidden"}
    )
    room = {"VCPU": (Amount(9, 0, 1.0, 0),), "MEMORY_MB": (Amount(999, 0, 1.0, 0),)}
    world.stocks = {
        "host2": Stock(room, frozenset({"CUSTOM_A", "CUSTOM_B"})),
        "host3": Stock(room, frozenset({"CUSTOM_A"})),
    }
    result = context.run(place.STEP)
    assert result["host"] == "host3"
    assert reasons(result)["host2"] == "has CUSTOM_B"
    assert reasons(result)["host4"] == "lacks CUSTOM_A"


@pytest.mark.parametrize(
    ("image_id", "from_volume", "gibibytes"), [("", True, 5), ("debian", True, 5), ("debian", False, 25)]
)
def test_the_disk_of_a_host_that_is_held(
    world: World, context: MemoryContext, image_id: str, from_volume: bool, gibibytes: int
) -> None:
    """Ephemeral disk and swap always; the root disk unless it is a volume, also where an image has named that."""
    flavor = Flavor("f", 1, 64, 20, 5, {})
    world.servers["original"] = replace(world.servers["original"], image_id=image_id, flavor=flavor)
    if not from_volume:
        del world.attached["original"]["root-volume"]
    context.run(place.STEP)
    mine = context.reservations.mine()
    assert mine is not None
    assert mine.resources["DISK_GB"] == gibibytes


def test_each_volume_is_read_once(context: MemoryContext, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def get(self: Volumes, volume_id: str) -> Volume | None:
        read.append(volume_id)
        return self.world.volumes.get(volume_id)

    monkeypatch.setattr(Volumes, "get", get)
    context.run(place.STEP)
    assert sorted(read) == ["data-volume", "root-volume"]


def test_the_processors_must_have_what_the_originals_have(world: World, context: MemoryContext) -> None:
    room = {"VCPU": (Amount(9, 0, 1.0, 0),), "MEMORY_MB": (Amount(9999, 0, 1.0, 0),)}
    fast = frozenset({"HW_CPU_X86_AVX2", "CUSTOM_RACK_1"})
    world.stocks = {"host1": Stock(room, fast), "host4": Stock(room, fast - {"CUSTOM_RACK_1"})}
    result = context.run(place.STEP)
    assert result["host"] == "host4"
    assert "HW_CPU_X86_AVX2" in reasons(result)["host2"]


class Measured:
    """A metrics source that knows some hosts."""

    def __init__(self, **cpu: float) -> None:
        self.cpu = cpu

    def utilization(self, hosts: object) -> dict[str, Utilization | NoData]:
        known = {host: Utilization(cpu, 0.5) for host, cpu in self.cpu.items()}
        return {h: known.get(h, NoData("never seen")) for h in hosts}  # type: ignore[attr-defined]


def test_utilization_is_asked_of_the_metrics_source(world: World, context: MemoryContext) -> None:
    grouped(world, groups.DEFAULT_AGGREGATE, policy="cpu_utilization")
    context.source = Measured(host2=0.5, host3=0.25)
    result = context.run(place.STEP)
    assert result["host"] == "host3"
    assert reasons(result)["host4"] == "never seen"


def test_without_a_source_such_a_group_places_nothing_and_says_why(world: World, context: MemoryContext) -> None:
    grouped(world, groups.DEFAULT_AGGREGATE, policy="cpu_utilization")
    with pytest.raises(Failed, match="host2: no metrics source is configured"):
        place.STEP.apply(context)


def test_or_falls_back_as_the_group_says(world: World, context: MemoryContext) -> None:
    grouped(world, groups.DEFAULT_AGGREGATE, policy="cpu_utilization", without_metrics="memory_allocation")
    result = context.run(place.STEP)
    assert (result["host"], result["placement"]["policy"]) == ("host2", "memory_allocation")
    assert "no metrics source is configured" in result["placement"]["note"]


# -- provision ---------------------------------------------------------------------------------------------------------


def until_it_rests(context: MemoryContext) -> Json:
    """As the engine would: a parked step is called again."""
    for _ in range(20):
        try:
            return context.run(provision.STEP)
        except Retry:
            continue
    raise AssertionError("it never rests")


@pytest.fixture
def placed(context: MemoryContext) -> MemoryContext:
    run_before(context, provision.STEP)
    return context


def test_the_chosen_host_is_asked_for_and_its_room_given_back(world: World, placed: MemoryContext) -> None:
    result = until_it_rests(placed)
    assert (result["host"], result["asked_host"], result["refused"]) == ("host2", "host2", {})
    assert world.servers[result["server_id"]].host == "host2"
    mine = placed.reservations.mine()
    assert mine is not None
    assert not mine.live


def test_when_nova_refuses_the_next_best_is_tried_and_the_reason_kept(world: World, placed: MemoryContext) -> None:
    world.faults = {"host2": "No valid host was found.", "host3": "the fan"}
    result = until_it_rests(placed)
    assert (result["host"], result["asked_host"]) == ("host4", "host4")
    assert result["refused"] == {"host2": "No valid host was found.", "host3": "the fan"}
    told = [detail for kind, detail in placed.events if kind == "placement.refused"]
    assert told == [
        {"host": "host2", "reason": "No valid host was found."},
        {"host": "host3", "reason": "the fan"},
    ]
    assert [s for s in world.servers.values() if s.status == "ERROR"] == []
    assert provision.STEP.probe(placed).result == result


def test_when_nova_refuses_all_the_job_fails_with_every_reason_and_leaves_nothing(
    world: World, placed: MemoryContext
) -> None:
    world.faults = {h.name: f"no {h.name}" for h in world.hosts}
    with pytest.raises(Failed) as told:
        until_it_rests(placed)
    for host in world.hosts:
        assert f"{host.name}: refused by Nova: no {host.name}" in told.value.detail
    provision.STEP.undo(placed)
    assert set(world.servers) == {"original"}


def test_no_more_than_a_few_hosts_are_tried(context: MemoryContext, world: World) -> None:
    world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 10)]
    world.faults = {h.name: "the volume" for h in world.hosts}
    run_before(context, provision.STEP)
    with pytest.raises(Failed, match="on any of 5 hosts"):
        until_it_rests(context)


def test_room_that_ran_out_is_reserved_anew_perhaps_elsewhere(world: World, placed: MemoryContext) -> None:
    placed.reservations.end()
    world.stocks = {"host2": FULL}
    assert until_it_rests(placed)["host"] == "host3"
    [chosen] = [detail for kind, detail in placed.events if kind == "placement.chosen_anew"]
    assert chosen["hosts"][0]["host"] == "host3"


def test_a_server_that_was_intended_elsewhere_and_never_made_is_forgotten(world: World, placed: MemoryContext) -> None:
    placed.ledger.intend("server", provision.ROLE, {"host": "host2"})
    placed.reservations.end()
    world.stocks = {"host2": FULL}
    assert until_it_rests(placed)["host"] == "host3"
    lines = [(r.details["host"], r.state) for r in placed.ledger.lines if r.kind == "server"]
    assert lines == [("host2", ResourceState.DELETED), ("host3", ResourceState.CREATED)]


def test_where_no_host_may_be_named_hints_must_do_and_it_is_said(world: World, placed: MemoryContext) -> None:
    world.host_may_be_named = False
    result = until_it_rests(placed)
    # Nova chose another one that is eligible
    assert (result["host"], result["asked_host"]) == ("host4", "host2")
    assert "placement.by_hints" in [kind for kind, _ in placed.events]


def test_a_server_that_lands_where_it_may_not_be_is_taken_away(world: World, context: MemoryContext) -> None:
    grouped(world, "gold", "host1", "host2")
    run_before(context, provision.STEP)
    world.host_may_be_named = False
    with pytest.raises(Failed, match="Nova put it on host4, which is not eligible"):
        until_it_rests(context)
    provision.STEP.undo(context)
    assert set(world.servers) == {"original"}


def test_killed_at_any_moment_it_never_counts_as_done_where_it_may_not_be() -> None:
    for moment in range(200):
        world = with_hosts()
        grouped(world, "gold", "host1", "host2")
        context = context_of(world)
        run_before(context, provision.STEP)
        world.host_may_be_named = False
        crash_at(world, context, moment)
        with pytest.raises((Crash, Failed)) as end:
            until_it_rests(context)
        alive(world, context)
        assert not provision.STEP.probe(context).done
        if end.type is Failed:
            assert moment > 8
            return
    raise AssertionError("it never ended")


def test_killed_at_any_moment_of_a_refusal_it_ends_on_the_next_best_host() -> None:
    def made() -> tuple[World, MemoryContext]:
        world = with_hosts()
        context = context_of(world)
        run_before(context, provision.STEP)
        world.faults = {"host2": "No valid host was found."}
        return world, context

    for world, context in crashes(made, until_it_rests, least=11):
        # as the engine goes on after a crash
        seen = provision.STEP.probe(context)
        result = seen.result if seen.done else until_it_rests(context)
        assert (result["host"], result["refused"]) == ("host3", {"host2": "No valid host was found."})
        mine = context.reservations.mine()
        assert mine is not None
        assert not mine.live
        assert {s.host for s in world.servers.values()} == {"host1", "host3"}
        assert provision.STEP.probe(context).done
