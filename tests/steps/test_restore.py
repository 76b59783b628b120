"""A server comes back from its fallback: whole, after any crash; or everything is as it was."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.drivers.cloud.attachments import Attachment, Path
from liveupdate.errors import Failed, Retry
from liveupdate.methods.restore import METHOD
from liveupdate.model import JobKind
from liveupdate.states import ResourceState
from liveupdate.steps import boot_restored, check_restore, place, retire, settle, unplug
from liveupdate.steps.protocol import Step
from liveupdate.testing.cloud import CloudDouble, World
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.fallbacks import put, with_fallback
from liveupdate.testing.storage import volume
from tests.steps.conftest import drive
from tests.steps.crashes import crashes
from tests.steps.test_conformance import shape
from tests.steps.test_end_fallback import KEEPER, SNAPSHOT, VOLUME, part

DATA = part(3, "snapshot", "fallback-data-vol", "data-snapshot", boot=False, volume_id="data-volume")
CHANGING = [s for s in METHOD.steps if s not in (check_restore.STEP, place.STEP, retire.STEP, settle.STEP)]
BEFORE_PIVOT = METHOD.steps[: METHOD.steps.index(retire.STEP)]


def asked(data: bool = False, parts: Any = (SNAPSHOT, DATA, VOLUME), **changes: Any) -> tuple[World, MemoryContext]:
    world = with_fallback(KEEPER)
    told: dict[str, Any] = {"port_id": "own-port"}
    told |= {"made_at": "2026-01-01", "data_volumes": data, "fallback_data_volumes": data, "keep_fallback_days": 7}
    parameters = {"fallback_id": KEEPER, "parts": list(parts), **told, **changes}
    made = job(server_id="updated", parameters=parameters)
    return world, MemoryContext(made, CloudDouble(world, admin=False), CloudDouble(world, admin=True))


def prepared(step: Step, **options: Any) -> tuple[World, MemoryContext]:
    world, context = asked(**options)
    drive(context, *METHOD.steps[: METHOD.steps.index(step)])
    return world, context


def restored(**options: Any) -> tuple[World, MemoryContext]:
    world, context = asked(**options)
    drive(context, *METHOD.steps)
    return world, context


def new_server(context: MemoryContext) -> str:
    return str(context.results["provision"]["server_id"])


def test_the_server_boots_from_the_snapshot_on_its_own_port_with_its_data_volume() -> None:
    world, context = restored()
    assert list(world.servers) == [new_server(context)]
    recalled = context.results["mirror"]["volume_id"]
    assert list(world.attached[new_server(context)]) == [recalled, "data-volume"]
    assert [(p.id, p.device_id) for p in world.ports.values()] == [("own-port", new_server(context))]
    server = world.servers[new_server(context)]
    assert (server.name, server.tags, server.status, server.locked) == ("server", ("mine",), "ACTIVE", False)
    assert server.metadata == {"owner": "me", "liveupdate:replaces": "updated"}


def test_volumes_are_called_and_die_as_before() -> None:
    world, context = restored()
    recalled = context.results["mirror"]["volume_id"]
    assert (world.volumes[recalled].name, world.volumes[recalled].type) == ("root-volume", "ceph")
    dies = {v: a.delete_on_termination for v, a in world.attached[new_server(context)].items()}
    assert dies == {recalled: True, "data-volume": False}


def test_what_was_before_is_kept_in_its_turn_and_the_fallback_stays() -> None:
    world, context = restored()
    assert "snapshot" in world.snapshots
    assert "old-volume" in world.volumes
    kept = {(r.kind, r.role): r for r in context.ledger.lines if r.state == ResourceState.KEPT}
    assert sorted(kept) == [
        ("server", "surrogate"),
        ("snapshot", "fallback"),
        ("volume", "fallback"),
        ("volume", "mirror"),
    ]
    assert kept["volume", "fallback"].cloud_id == "root-volume"
    assert kept["volume", "fallback"].keep_until is not None
    assert kept["volume", "mirror"].keep_until is None
    assert context.ledger.open() == []


def test_kept_for_no_days_nothing_is_left_of_what_was_before() -> None:
    world, context = restored(keep_fallback_days=0)
    assert "root-volume" not in world.volumes
    assert sorted(world.snapshots) == ["data-snapshot", "snapshot"]
    assert context.ledger.open() == []


def test_data_volumes_go_back_where_that_is_asked_for() -> None:
    world, context = restored(data=True)
    new = context.results["mirror"]["instead"]["data-volume"]
    assert list(world.attached[new_server(context)]) == [context.results["mirror"]["volume_id"], new]
    assert world.volumes[new].name == "data-volume"
    assert world.volumes["data-volume"].servers == frozenset()
    assert world.volumes["data-volume"].name.endswith("-fallback-data-vol")
    assert context.ledger.open() == []


def test_a_backup_serves_as_well() -> None:
    world, context = asked(parts=(part(1, "backup", "fallback", "backup"), VOLUME))
    put(world, KEEPER, "backup", "fallback", "backup", "old-volume")
    drive(context, *METHOD.steps)
    assert list(world.servers) == [new_server(context)]


def test_a_stopped_server_comes_back_too_and_stays_stopped_if_that_fails() -> None:
    world, context = asked()
    world.servers["updated"] = replace(world.servers["updated"], status="SHUTOFF")
    before = world.seen()
    drive(context, *BEFORE_PIVOT)
    for step in reversed(BEFORE_PIVOT):
        step.undo(context)
    assert world.seen() == before


def test_the_port_is_never_taken_before_the_server_has_stopped() -> None:
    world, context = asked()
    states: dict[str, str] = {}

    def note(moment: str) -> None:
        states.setdefault(moment, world.servers["updated"].status)

    world.strike = note
    drive(context, *BEFORE_PIVOT)
    assert states["before create_volume"] == "ACTIVE"
    assert states["before detach_port"] == "SHUTOFF"
    assert states["before detach_volume"] == "SHUTOFF"


@pytest.mark.parametrize("work", [unplug.STEP.apply, unplug.STEP.undo])
def test_a_volume_that_nova_is_at_is_waited_for_and_not_asked_for_twice(work: Any) -> None:
    world, context = prepared(unplug.STEP)
    world.volumes["data-volume"] = replace(world.volumes["data-volume"], status="detaching")
    before = world.seen()["attached"]
    with pytest.raises(Retry) as told:
        work(context)
    assert not told.value.counts
    assert world.seen()["attached"]["updated"].keys() == before["updated"].keys()


def test_the_old_server_is_not_deleted_unless_the_new_one_runs() -> None:
    world, context = prepared(retire.STEP)
    world.servers[new_server(context)] = replace(world.servers[new_server(context)], status="ERROR")
    with pytest.raises(Failed):
        retire.STEP.apply(context)
    assert "updated" in world.servers


def test_while_nova_deletes_the_old_server_nobody_decides() -> None:
    world, context = prepared(retire.STEP)
    world.servers["updated"] = replace(world.servers["updated"], task_state="deleting")
    with pytest.raises(Retry):
        retire.STEP.probe(context)


def test_a_server_that_does_not_come_up_anywhere_fails_the_step_and_leaves_nothing() -> None:
    world, context = prepared(boot_restored.STEP)
    world.faults = {host.name: "no tap" for host in world.hosts}
    with pytest.raises(Failed, match=r"no tap|no host"):
        drive(context, boot_restored.STEP)
    boot_restored.STEP.undo(context)
    assert list(world.servers) == ["updated"]


# -- the checks --------------------------------------------------------------------------------------------------------


def test_the_checks_change_nothing_and_tell_what_a_restore_means() -> None:
    world, context = asked()
    before = world.seen()
    result = check_restore.STEP.apply(context)
    assert world.seen() == before
    assert result["verdict"] == "warn"
    warned = [f["code"] for f in result["findings"] if f["verdict"] == "warn"]
    assert warned == ["restore.loses", "restore.new-server-id", "guest.first-boot"]


def test_a_guest_with_the_note_for_cloud_init_does_not_boot_as_a_new_machine() -> None:
    _, context = asked(parts=({**SNAPSHOT, "noted": True}, VOLUME))
    warned = [f["code"] for f in check_restore.STEP.apply(context)["findings"] if f["verdict"] == "warn"]
    assert warned == ["restore.loses", "restore.new-server-id"]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("server.state", lambda w: w.servers.update(updated=replace(w.servers["updated"], status="RESCUE"))),
        ("server.idle", lambda w: w.servers.update(updated=replace(w.servers["updated"], task_state="migrating"))),
        ("server.unlocked", lambda w: w.servers.update(updated=replace(w.servers["updated"], locked=True))),
        ("port.one", lambda w: w.ports.clear()),
        ("port.attached-by-id", lambda w: w.ports.update(x=replace(w.ports.pop("own-port"), id="x"))),
        ("fallback.available", lambda w: w.snapshots.pop("snapshot")),
        ("fallback.available", lambda w: w.snapshots.update(snapshot=replace(w.snapshots["snapshot"], status="error"))),
    ],
)
def test_what_stands_in_the_way_blocks_before_anything_is_touched(code: str, change: Any) -> None:
    world, context = asked()
    change(world)
    before = world.seen()
    with pytest.raises(Failed) as told:
        check_restore.STEP.apply(context)
    assert told.value.code == "live-update.preflight.blocked"
    assert code in told.value.detail
    assert told.value.remedy
    assert world.seen() == before
    context.job = replace(context.job, kind=JobKind.PREVIEW)
    assert check_restore.STEP.apply(context)["verdict"] == "block"


def test_data_volumes_without_copies_block_only_where_they_are_to_go_back() -> None:
    _, context = asked(data=True, parts=(SNAPSHOT, VOLUME))
    with pytest.raises(Failed, match=r"fallback\.data-volumes"):
        check_restore.STEP.apply(context)


def test_another_projects_server_does_not_exist() -> None:
    _, context = asked()
    context.job = replace(context.job, project_id="another")
    with pytest.raises(Failed) as told:
        check_restore.STEP.apply(context)
    assert told.value.code == "live-update.server.gone"


# -- every step, crashed at every call ---------------------------------------------------------------------------------


def interrupted(step: Step, **options: Any) -> Iterator[tuple[World, MemoryContext]]:
    return crashes(lambda: prepared(step, **options), lambda context: drive(context, step), least=2)


@pytest.mark.parametrize("data", [False, True], ids=["boot", "boot and data"])
@pytest.mark.parametrize("step", CHANGING, ids=lambda s: s.name)
class TestEveryStep:
    def test_probe_tells_what_apply_returned_and_not_before(self, step: Step, data: bool) -> None:
        _, context = prepared(step, data=data)
        assert not step.probe(context).done
        drive(context, step)
        seen = step.probe(context)
        assert (seen.done, seen.result) == (True, context.results[step.part or step.name])

    def test_undo_restores_what_was_and_may_be_repeated(self, step: Step, data: bool) -> None:
        world, context = prepared(step, data=data)
        before = world.seen()
        lines = [(r.kind, r.role) for r in context.ledger.open()]
        drive(context, step)
        assert world.seen() != before
        for _ in range(2):
            step.undo(context)
            assert world.seen() == before
            assert [(r.kind, r.role) for r in context.ledger.open()] == lines

    def test_undo_of_what_never_was_does_nothing(self, step: Step, data: bool) -> None:
        world, context = prepared(step, data=data)
        before = world.seen()
        step.undo(context)
        assert world.seen() == before

    def test_applied_again_after_any_crash_ends_as_without_one(self, step: Step, data: bool) -> None:
        smooth, context = prepared(step, data=data)
        drive(context, step)
        for world, crashed in interrupted(step, data=data):
            drive(crashed, step)
            assert shape(world) == shape(smooth)
            assert step.probe(crashed).done

    def test_undone_after_any_crash_leaves_nothing(self, step: Step, data: bool) -> None:
        before, context = prepared(step, data=data)
        lines = [(r.kind, r.role) for r in context.ledger.open()]
        for world, crashed in interrupted(step, data=data):
            step.undo(crashed)
            assert shape(world) == shape(before)
            assert [(r.kind, r.role) for r in crashed.ledger.open()] == lines


@pytest.mark.parametrize("data", [False, True], ids=["boot", "boot and data"])
def test_undone_in_reverse_all_is_as_it_was(data: bool) -> None:
    world, context = asked(data)
    before = world.seen()
    drive(context, *BEFORE_PIVOT)
    for step in reversed(BEFORE_PIVOT):
        step.undo(context)
    assert world.seen() == before
    assert context.ledger.open() == []


@pytest.mark.parametrize("data", [False, True], ids=["boot", "boot and data"])
def test_after_the_pivot_any_crash_ends_in_the_same(data: bool) -> None:
    smooth, straight = restored(data=data)
    for step in (retire.STEP, settle.STEP):
        for world, crashed in interrupted(step, data=data):
            drive(crashed, *METHOD.steps[METHOD.steps.index(step) :])
            assert world.seen() == smooth.seen()
            assert crashed.ledger.open() == []
    assert straight.ledger.open() == []


def test_a_volume_that_the_guest_attaches_itself_is_told_not_to_come_along() -> None:
    world, context = asked()
    paths = (Path("10.0.9.1:3260", "iqn.test:volume", 1),)
    world.volumes["inside"] = volume("inside", multiattach=True)
    world.inside["attachment"] = Attachment("attachment", "inside", "updated", "iscsi", paths)
    [told] = [f for f in check_restore.STEP.apply(context)["findings"] if f["code"] == "volume.inside"]
    assert (told["verdict"], told["subject"]) == ("warn", "inside")
