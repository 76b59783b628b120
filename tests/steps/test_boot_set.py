"""A server whose operating system lies on two volumes: copied at one moment, replaced, kept, brought back together."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Failed, LeaseLost
from liveupdate.methods import capture, restore
from liveupdate.model import JobKind, Plan, StepSpec
from liveupdate.planning import boot_set, move, report
from liveupdate.states import ResourceState
from liveupdate.steps import (
    check_capture,
    check_restore,
    clean_up,
    fallback,
    frozen,
    guard,
    mirror,
    pre_copy,
    preflight,
    provision,
    release_original,
    retire,
    settle,
)
from liveupdate.steps.protocol import Step
from liveupdate.steps.replacement import REPLACED_BY, instead
from liveupdate.steps.server_facts import describe
from liveupdate.testing.boot_sets import add_boot_volume, disks_of, with_boot_set
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.fallbacks import put
from tests.steps.conftest import context_of, drive, opened, run_before
from tests.steps.crashes import crashes
from tests.steps.test_capture import SEEN, SERVER
from tests.steps.test_capture import asked as to_capture
from tests.steps.test_conformance import shape
from tests.steps.test_end_fallback import KEEPER, SNAPSHOT, VOLUME, part
from tests.steps.test_preflight import INSPECT, KEY, TRIAL
from tests.steps.test_restore import asked as to_restore

FINISH = (release_original.STEP, clean_up.STEP)


@pytest.fixture
def world() -> World:
    return with_boot_set()


@pytest.fixture
def context(world: World) -> MemoryContext:
    return context_of(world)


def surrogate(context: MemoryContext) -> str:
    return str(context.results["provision"]["server_id"])


def kept(context: MemoryContext) -> dict[tuple[str, str], Any]:
    return {(r.kind, r.role): r for r in context.ledger.lines if r.state == ResourceState.KEPT}


# -- the update --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [fallback.STEP, mirror.STEP], ids=lambda s: s.name)
def test_snapshots_are_taken_of_one_moment_and_volumes_made_of_them_later(
    world: World, context: MemoryContext, step: Step
) -> None:
    run_before(context, step)
    still: dict[str, list[bool]] = {}
    world.strike = lambda moment: still.setdefault(moment, []).append(context.guests["original"].frozen)
    context.run(step)
    assert still["before create_snapshot"] == [True, True]
    assert still.get("before create_volume", []) in ([], [False, False])


@pytest.mark.parametrize("at", ["before create_snapshot", "created"])
def test_a_worker_that_is_outlived_among_them_leaves_none_of_its_own(
    world: World, context: MemoryContext, at: str
) -> None:
    run_before(context, mirror.STEP)
    done = []

    def lost(moment: str) -> None:
        done.append(moment)
        if moment == at and done.count(at) == (2 if at.startswith("before") else 1):
            # its successor has taken others
            for role in ("mirror", "mirror-var-volu"):
                line = context.ledger.find("snapshot", role)
                assert line is not None
                context.ledger.lines[line.id - 1] = replace(line, state=ResourceState.CREATED, cloud_id="another")
            raise LeaseLost(context.job.id)

    before = set(world.snapshots)
    world.strike = context.ledger.before = lost
    with pytest.raises(LeaseLost):
        context.run(mirror.STEP)
    assert done.count("after create_snapshot") >= 1
    assert set(world.snapshots) == before


def test_all_their_file_systems_are_frozen_the_root_last_and_no_data_volumes(context: MemoryContext) -> None:
    data = {"where": "/data", "fstype": "ext4", "options": "rw", "by_id": "/dev/disk/by-id/virtio-data-volume"}
    context.results["preflight"]["guest"]["mounts"].append(data)
    assert frozen.mounts(context, {"root-volume", "var-volume"}) == ["/boot", "/var", "/"]


def test_a_file_system_that_is_seen_at_two_places_is_frozen_once(context: MemoryContext) -> None:
    every = context.results["preflight"]["guest"]["mounts"]
    every += [{**m, "where": f"/srv{m['where']}"} for m in every]
    assert frozen.mounts(context, {"root-volume", "var-volume"}) == ["/boot", "/var", "/"]


def test_one_volume_needs_no_freeze_for_its_fallback() -> None:
    context = context_of(with_server())
    context.guests["original"].freeze = None  # whoever calls it fails
    run_before(context, fallback.STEP)
    context.run(fallback.STEP)


def test_backups_are_taken_of_each(world: World, context: MemoryContext) -> None:
    world.backups = {}
    context.job = job(parameters={"fallback": "backup"})
    run_before(context, fallback.STEP)
    context.run(fallback.STEP)
    assert sorted(b.volume_id for b in world.backups.values()) == ["root-volume", "var-volume"]
    assert world.snapshots == {}


def test_the_surrogate_boots_from_copies_of_each_in_the_order_of_boot() -> None:
    world, context = opened(with_boot_set())
    made = instead(context)
    attached = world.attached[surrogate(context)]
    assert list(attached) == [made["root-volume"], made["var-volume"], "data-volume"]
    assert [attached[made[v]].device for v in ("root-volume", "var-volume")] == ["/dev/vda", "/dev/vdb"]
    assert [(world.volumes[v].size, world.volumes[v].type) for v in made.values()] == [(3, "ceph"), (2, "fast")]
    assert not any(attached[v].delete_on_termination for v in made.values())


def test_it_is_handed_over_as_no_data_volume() -> None:
    _, context = opened(with_boot_set())
    assert move.handed_over(context.results["preflight"]) == []
    assert [d["where"] for d in move.data_mounts(context.results["preflight"])] == []
    context.results["preflight"] = {**context.results["preflight"], "units": []}
    context.results["preflight"]["guest"]["smbios_uuid"] = "original"
    guard.STEP.apply(context)
    [told] = [arguments for command, arguments in context.guests["original"].calls if command == "guard_install"]
    assert (told["mounts"], told["disks"]) == ([], ["data-volume"])


def test_each_side_is_told_of_the_disks_that_it_has() -> None:
    _, context = opened(with_boot_set())
    made = instead(context)
    assert pre_copy._serials(context, "original") == {"root-volume": "root-volume", "var-volume": "var-volume"}
    assert pre_copy._serials(context, "surrogate") == {old: new[:20] for old, new in made.items()}
    assert boot_set.systems(context.results["preflight"]) == [{"where": "/var", "volume_id": "var-volume"}]


def test_the_copies_become_what_the_volumes_were_and_these_the_fallback() -> None:
    world, context = opened(with_boot_set())
    made = instead(context)
    drive(context, *FINISH)
    assert list(world.servers) == [surrogate(context)]
    attached = world.attached[surrogate(context)]
    assert {v: attached[v].delete_on_termination for v in attached} == {
        made["root-volume"]: True,
        made["var-volume"]: True,
        "data-volume": False,
    }
    assert world.volumes[made["var-volume"]].name == "var-volume"
    old = world.volumes["var-volume"]
    assert old.name.endswith("-fallback-var-volu")
    assert old.metadata[REPLACED_BY] == made["var-volume"]
    assert sorted(s.volume_id for s in world.snapshots.values()) == ["root-volume", "var-volume"]
    assert sorted(kept(context)) == [
        ("attachment", "surrogate-data-vol"),
        ("server", "surrogate"),
        ("snapshot", "fallback"),
        ("snapshot", "fallback-var-volu"),
        ("volume", "fallback"),
        ("volume", "fallback-var-volu"),
        ("volume", "mirror"),
        ("volume", "mirror-var-volu"),
    ]
    assert all(line.details["boot"] for (_, role), line in kept(context).items() if role.startswith("fallback"))
    assert context.ledger.open() == []


def test_after_any_crash_of_the_end_it_ends_the_same() -> None:
    smooth, straight = opened(with_boot_set())
    drive(straight, *FINISH)
    for world, context in crashes(lambda: opened(with_boot_set()), lambda context: drive(context, *FINISH), least=20):
        drive(context, *FINISH)
        assert shape(world) == shape(smooth)
        assert kept(context).keys() == kept(straight).keys()
        assert context.ledger.open() == []


def test_a_fallback_of_no_days_takes_the_old_volumes_with_it() -> None:
    world, context = opened(with_boot_set(), keep_fallback_days=0)
    drive(context, *FINISH)
    assert world.snapshots == {}
    assert sorted(world.volumes) == sorted(["data-volume", *instead(context).values()])
    assert context.ledger.open() == []


def test_the_report_tells_of_each_and_of_no_hand_over() -> None:
    _, context = opened(with_boot_set(), mirror_volume_type="best")
    drive(context, *FINISH)
    told = report.assemble(context.job, [], context.ledger.lines)["volumes"]
    assert {(v["kind"], v["role"], v["size"], v["type"], v["state"]) for v in told} == {
        ("snapshot", "fallback", 3, "ceph", "kept"),
        ("snapshot", "fallback-var-volu", 2, "fast", "kept"),
        ("snapshot", "mirror", 3, "ceph", "deleted"),
        ("snapshot", "mirror-var-volu", 2, "fast", "deleted"),
        ("volume", "mirror", 3, "best", "kept"),
        ("volume", "mirror-var-volu", 2, "best", "kept"),
        ("volume", "fallback", 3, "ceph", "kept"),
        ("volume", "fallback-var-volu", 2, "fast", "kept"),
    }


def test_a_journal_of_an_older_release_goes_on_with_its_one_boot_volume() -> None:
    world = with_server()
    context = context_of(world)
    for volume in context.results["preflight"]["server"]["volumes"]:
        del volume["root"]
    run_before(context, provision.STEP)
    del context.results["mirror"]["instead"]  # type: ignore[attr-defined]
    for step in (provision.STEP, *FINISH):
        drive(context, step)
    assert next(iter(world.attached[surrogate(context)])) == context.results["mirror"]["volume_id"]
    assert world.volumes["root-volume"].name.endswith("-fallback")
    assert context.ledger.open() == []


# -- the checks --------------------------------------------------------------------------------------------------------


def checked(world: World, quota: dict[str, int] | None = None, room: int = 1 << 30, **changes: Any) -> dict[str, Any]:
    world.servers["original"] = replace(world.servers["original"], metadata={"liveupdate:host_key": KEY})
    context = context_of(world)
    context.job = job(**{"kind": JobKind.PREVIEW, **changes})
    context.results.clear()
    seen = {**INSPECT, **disks_of(world.attached["original"]), "free": {"/": 10 << 30, "/boot": 1 << 30, "/var": room}}
    context.guests["original"].answers = {"inspect": seen, "trial": TRIAL}
    context.service.quotas.left = lambda project_id: quota or {}
    return dict(preflight.STEP.apply(context))


def codes(result: dict[str, Any], verdict: str) -> set[str]:
    return {f["code"] for f in result["findings"] if f["verdict"] == verdict}


def test_the_preflight_finds_it_and_says_so(world: World) -> None:
    result = checked(world)
    found = {v["id"]: (v["boot"], v["root"]) for v in result["server"]["volumes"]}
    assert found == {"root-volume": (True, True), "data-volume": (False, False), "var-volume": (True, False)}
    assert codes(result, "block") == set()
    handed_over = {f["subject"] for f in result["findings"] if f["code"] == "volume.handover"}
    assert handed_over == {"data-volume"}
    [told] = [f for f in result["findings"] if (f["code"], f["subject"]) == ("volume.boot-set", "var-volume")]
    assert told["detail"].startswith("/var belongs to the operating system")


@pytest.mark.parametrize("step", ["mirror", "mirror_set"])
def test_a_plan_of_an_older_release_is_for_one_volume(world: World, step: str) -> None:
    plan = Plan("surrogate", (StepSpec("preflight", "preflight"), StepSpec("mirror", step)), "open")
    if step == "mirror_set":
        assert codes(checked(world, kind=JobKind.UPDATE, plan=plan), "block") == set()
        return
    with pytest.raises(Failed, match=r"volume\.boot-set-plan"):
        checked(world, kind=JobKind.UPDATE, plan=plan)


def test_an_owner_who_calls_it_data_is_contradicted(world: World) -> None:
    word = {boot_set.WORD: "false"}
    world.volumes["var-volume"] = replace(world.volumes["var-volume"], metadata=word)
    assert codes(checked(world), "block") == {"volume.boot-set-not-data"}


@pytest.mark.parametrize(
    ("name", "needed"),
    [("volumes", 2), ("snapshots", 4), ("gigabytes", 15), ("volumes_fast", 1), ("gigabytes_fast", 6)],
)
def test_quota_is_needed_for_each_of_them(world: World, name: str, needed: int) -> None:
    assert "project.quota" in codes(checked(world, {name: needed - 1}), "block")
    assert "project.quota" not in codes(checked(world, {name: needed}), "block")


def test_a_volume_of_the_system_needs_room_of_its_own(world: World) -> None:
    full = checked(world, room=1 << 20)
    assert [f["subject"] for f in full["findings"] if (f["code"], f["verdict"]) == ("guest.disk", "block")] == ["/var"]


def test_backups_one_after_the_other_are_warned_of(world: World) -> None:
    world.backups = {}
    assert "fallback.one-moment" in codes(checked(world, parameters={"fallback": "backup"}), "warn")


# -- the way back to the fallback --------------------------------------------------------------------------------------

VAR = part(4, "snapshot", "fallback-var-volu", "var-snapshot", size=2, type="fast", volume_id="old-var")
OLD_VAR = part(5, "volume", "fallback-var-volu", "old-var", size=2, type="fast")


def restoring() -> tuple[World, MemoryContext]:
    world, context = to_restore(parts=(SNAPSHOT, VAR, VOLUME, OLD_VAR))
    add_boot_volume(world, "updated")
    put(world, KEEPER, "snapshot", "fallback-var-volu", "var-snapshot", "old-var")
    put(world, KEEPER, "volume", "fallback-var-volu", "old-var")
    old = world.volumes["old-var"]
    world.volumes["old-var"] = replace(old, metadata={**old.metadata, REPLACED_BY: "var-volume"})
    return world, context


def restored() -> tuple[World, MemoryContext]:
    world, context = restoring()
    drive(context, *restore.METHOD.steps)
    return world, context


def test_it_comes_back_as_a_whole() -> None:
    world, context = restored()
    [server] = world.servers
    made = context.results["mirror"]["instead"]
    assert made.keys() == {"root-volume", "var-volume"}
    assert list(world.attached[server]) == [made["root-volume"], made["var-volume"], "data-volume"]
    assert (world.volumes[made["var-volume"]].name, world.volumes[made["var-volume"]].size) == ("var-volume", 2)
    assert world.volumes["var-volume"].name.endswith("-fallback-var-volu")
    dies = {v: a.delete_on_termination for v, a in world.attached[server].items()}
    assert dies == {made["root-volume"]: True, made["var-volume"]: True, "data-volume": False}
    # what was before is kept in its turn, as a whole
    new = {(kind, role) for kind, role in kept(context) if role.startswith("fallback")}
    assert new == {(kind, role) for kind in ("snapshot", "volume") for role in ("fallback", "fallback-var-volu")}
    assert context.ledger.open() == []


def test_a_fallback_without_its_second_volume_is_no_way_back_to_it() -> None:
    """What lay on one volume then comes back from that one; the other is data, and stays as it is."""
    world, context = restoring()
    context.job = replace(context.job, parameters={**context.job.parameters, "parts": [SNAPSHOT, VOLUME]})
    drive(context, *restore.METHOD.steps)
    [server] = world.servers
    assert {"var-volume", "data-volume"} < set(world.attached[server])


def test_a_volume_that_is_not_on_the_server_any_more_cannot_be_replaced() -> None:
    world, context = restoring()
    del world.attached["updated"]["var-volume"]
    world.update_volume("var-volume")
    with pytest.raises(Failed, match=r"fallback\.boot-volume-there"):
        check_restore.STEP.apply(context)


CHANGING = [s for s in restore.METHOD.steps if s.name not in ("check_restore", "place", "retire", "settle")]
BEFORE_PIVOT = restore.METHOD.steps[: restore.METHOD.steps.index(retire.STEP)]


def until(step: Step) -> tuple[World, MemoryContext]:
    world, context = restoring()
    drive(context, *restore.METHOD.steps[: restore.METHOD.steps.index(step)])
    return world, context


def interrupted(step: Step) -> Iterator[tuple[World, MemoryContext]]:
    return crashes(lambda: until(step), lambda context: drive(context, step), least=2)


@pytest.mark.parametrize("step", CHANGING, ids=lambda s: s.name)
def test_each_step_of_it_applied_again_or_undone_after_any_crash(step: Step) -> None:
    before, _ = until(step)
    smooth, straight = until(step)
    drive(straight, step)
    for world, context in interrupted(step):
        drive(context, step)
        assert shape(world) == shape(smooth)
        seen = step.probe(context)
        assert (seen.done, seen.result) == (True, context.results[step.part or step.name])
    for world, context in interrupted(step):
        step.undo(context)
        assert shape(world) == shape(before)


@pytest.mark.parametrize("step", [retire.STEP, settle.STEP], ids=lambda s: s.name)
def test_after_its_pivot_any_crash_ends_in_the_same(step: Step) -> None:
    smooth, _ = restored()
    for world, context in interrupted(step):
        drive(context, *restore.METHOD.steps[restore.METHOD.steps.index(step) :])
        assert world.seen() == smooth.seen()
        assert context.ledger.open() == []


def test_undone_before_its_pivot_all_is_as_it_was() -> None:
    world, context = restoring()
    before = world.seen()
    drive(context, *BEFORE_PIVOT)
    for step in reversed(BEFORE_PIVOT):
        step.undo(context)
    assert world.seen() == before


# -- capture -----------------------------------------------------------------------------------------------------------


def capturing(*volumes: str) -> tuple[World, MemoryContext]:
    world, context = to_capture(*volumes)
    add_boot_volume(world, SERVER)
    context.guests["original"].answers = {
        **context.guests["original"].answers,
        "inspect": {**SEEN, **disks_of(world.attached[SERVER])},
    }
    return world, context


def test_all_of_it_is_captured_in_the_order_of_boot() -> None:
    world, context = capturing("data-volume")
    drive(context, *capture.METHOD.steps)
    assert [v["id"] for v in context.results["preflight"]["captured"]] == ["root-volume", "var-volume", "data-volume"]
    [image] = world.golden.values()
    assert [disk.size for disk in image.disks] == [3, 2, 3]
    assert image.min_disk == 3
    assert context.ledger.open() == []


def test_parts_of_the_operating_system_that_would_be_left_behind_block() -> None:
    world, context = capturing()
    word = {boot_set.WORD: "false"}
    world.volumes["var-volume"] = replace(world.volumes["var-volume"], metadata=word)
    with pytest.raises(Failed, match=r"capture\.boot-set \(var-volume\)"):
        check_capture.STEP.apply(context)


def test_the_facts_of_the_cloud_alone_know_one_root(world: World, context: MemoryContext) -> None:
    facts = describe(context.service_cloud(), world.servers["original"])
    assert [v["id"] for v in boot_set.members(facts["volumes"])] == ["root-volume"]
