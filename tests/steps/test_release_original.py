"""The surrogate takes the original's place: whole, after any interruption, with nothing left but the fallback."""

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.servers import AttachedVolume
from liveupdate.errors import Failed, GuestError, Lost, Retry, Watch
from liveupdate.planning import report
from liveupdate.states import ResourceState
from liveupdate.steps import clean_up, release_original, resources
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble
from liveupdate.testing.storage import volume
from tests.steps.conftest import context_of, drive, opened, run_before
from tests.steps.crashes import Crash, crashes


def surrogate(context: MemoryContext) -> str:
    return str(context.results["provision"]["server_id"])


FINISH = (release_original.STEP, clean_up.STEP)


def test_the_surrogate_has_the_originals_port_name_metadata_and_tags() -> None:
    world, context = opened(with_server())
    drive(context, *FINISH)
    assert list(world.servers) == [surrogate(context)]
    server = world.servers[surrogate(context)]
    assert (server.name, server.description, server.tags) == ("server", "a server", ("mine",))
    assert server.metadata == {
        "owner": "me",
        "liveupdate:replaces": "original",
        "liveupdate:host_key": "ssh-ed25519 AAAA",
    }
    assert {p.id: (p.device_id, p.allowed) for p in world.ports.values()} == {"own-port": (server.id, ())}


def test_volumes_die_with_the_surrogate_as_they_did_with_the_original() -> None:
    world, context = opened(with_server())
    drive(context, *FINISH)
    dies = {v: a.delete_on_termination for v, a in world.attached[surrogate(context)].items()}
    assert dies == {context.results["mirror"]["volume_id"]: True, "data-volume": False}


def test_a_volume_on_which_nothing_is_mounted_follows_the_server_after_any_crash() -> None:
    def made() -> tuple[World, MemoryContext]:
        world = with_server()
        world.volumes["plain-volume"] = volume("plain-volume")
        world.attached["original"]["plain-volume"] = AttachedVolume("plain-volume", "/dev/vdc", "", True)
        world.update_volume("plain-volume")
        context = context_of(world)
        run_before(context, None)
        assert "plain-volume" not in world.attached[surrogate(context)]
        return world, context

    for world, context in crashes(made, lambda context: drive(context, *FINISH), least=21):
        drive(context, *FINISH)
        there = world.attached[surrogate(context)]
        assert there["plain-volume"].delete_on_termination
        assert world.volumes["plain-volume"].servers == {surrogate(context)}
        assert context.ledger.open() == []


def test_nothing_stays_but_the_fallback_and_the_ledger_says_so() -> None:
    world, context = opened(with_server())
    drive(context, *FINISH)
    assert [s.volume_id for s in world.snapshots.values()] == ["root-volume"]
    mirror = context.results["mirror"]["volume_id"]
    assert sorted(world.volumes) == sorted(["root-volume", "data-volume", mirror])
    assert world.volumes[mirror].name == "root-volume"
    assert world.volumes["root-volume"].name.endswith("-fallback")
    assert context.ledger.open() == []
    kept = sorted((r.kind, r.role) for r in context.ledger.lines if r.state == ResourceState.KEPT)
    assert kept == [
        ("attachment", "surrogate-data-vol"),
        ("server", "surrogate"),
        ("snapshot", "fallback"),
        ("volume", "fallback"),
        ("volume", "mirror"),
    ]


def test_a_volume_that_came_along_is_in_the_ledger_though_its_coming_was_not_written_down() -> None:
    _, context = opened(with_server())
    [line] = [line for line in context.ledger.open() if line.kind == "attachment"]
    context.ledger.lines[line.id - 1] = replace(line, state=ResourceState.INTENDED, cloud_id="")
    drive(context, release_original.STEP)
    [line] = [line for line in context.ledger.lines if line.kind == "attachment"]
    assert (line.state, line.cloud_id) == (ResourceState.KEPT, "data-volume")


def test_a_fallback_of_no_days_takes_the_old_boot_volume_with_it() -> None:
    world, context = opened(with_server(), keep_fallback_days=0)
    drive(context, *FINISH)
    assert world.snapshots == {}
    assert "root-volume" not in world.volumes


def test_the_fallback_is_kept_for_its_days_and_nothing_else_has_an_end() -> None:
    world, context = opened(with_server(), keep_fallback_days=3)
    drive(context, *FINISH)
    ends = {(r.kind, r.role) for r in context.ledger.lines if r.keep_until}
    assert ends == {("snapshot", "fallback"), ("volume", "fallback")}
    old = next(r for r in context.ledger.lines if (r.kind, r.role) == ("volume", "fallback"))
    assert old.details == {"size": 3, "type": "ceph", "boot": True, "dies": True}
    assert marks.carries(world.volumes["root-volume"].metadata, context.job.id, "fallback")


def test_a_fallback_of_backups_and_a_mirror_of_another_type() -> None:
    world = with_server()
    world.backups = {}
    context = context_of(world)
    context.job = job(parameters={"fallback": "backup", "mirror_volume_type": "fast", "fallback_data_volumes": True})
    run_before(context, None)
    drive(context, *FINISH)
    assert sorted(b.volume_id for b in world.backups.values()) == ["data-volume", "root-volume"]
    assert world.snapshots == {}
    assert world.volumes[context.results["mirror"]["volume_id"]].type == "fast"
    assert context.ledger.open() == []


def test_the_report_tells_sizes_types_and_times_of_what_was_copied() -> None:
    _, context = opened(with_server(), mirror_volume_type="fast")
    drive(context, *FINISH)
    told = report.assemble(context.job, [], context.ledger.lines)["volumes"]
    assert [(v["kind"], v["role"], v["size"], v["type"], v["seconds"], v["state"]) for v in told] == [
        ("snapshot", "fallback", 3, "ceph", 0.5, "kept"),
        ("snapshot", "mirror", 3, "ceph", 0.5, "deleted"),
        ("volume", "mirror", 3, "fast", 0.5, "kept"),
        ("volume", "fallback", 3, "ceph", None, "kept"),
    ]
    assert [v["frozen_ms"] for v in told] == [None, 360, None, None]
    assert [bool(v["kept_until"]) for v in told] == [True, False, False, True]


def test_a_boot_volume_that_was_to_outlive_its_server_is_never_deleted() -> None:
    world, context = opened(with_server(), keep_fallback_days=0)
    for known in context.results["preflight"]["server"]["volumes"]:
        known["delete_on_termination"] = False
    drive(context, *FINISH)
    assert "root-volume" in world.volumes


def test_an_unwell_workload_keeps_the_original_running() -> None:
    world, context = opened(with_server())
    sick = GuestDouble(answers={"probe": {"units": {"kv.service": {"ok": False}}}})
    context.guests = {"surrogate": sick, "original": sick}
    with pytest.raises(Retry) as told:
        release_original.STEP.apply(context)
    assert told.value.counts
    assert "kv.service" in told.value.detail
    assert world.servers["original"].status == "ACTIVE"


@pytest.mark.parametrize("active", [True, False])
def test_a_surrogate_that_was_restarted_in_hold_is_asked_for_its_units(active: bool) -> None:
    class Restarted(GuestDouble):
        def call(self, command: str, **arguments: Any) -> dict[str, Any]:
            raise GuestError("this machine is not the target of a move", code="guest.wrong-role")

        def run(self, argv: Sequence[str], **_: Any) -> SimpleNamespace:
            asked.append(tuple(argv))
            return SimpleNamespace(code=0 if active else 3, stdout="", stderr="")

    asked: list[tuple[str, ...]] = []
    world, context = opened(with_server())
    units = [{"name": "kv.service", "handover": "move"}]
    context.results["preflight"] = {**context.results["preflight"], "units": units}
    context.guests = {"surrogate": Restarted(), "original": Restarted()}
    with pytest.raises(Retry) as told:
        release_original.STEP.apply(context)
    assert asked == [("systemctl", "is-active", "--quiet", "kv.service")]
    assert told.value.counts is not active
    assert world.servers["original"].status == ("SHUTOFF" if active else "ACTIVE")


def test_the_original_is_deleted_only_once_it_has_stopped() -> None:
    world, context = opened(with_server())
    with pytest.raises(Retry):
        release_original.STEP.apply(context)
    assert world.servers["original"].status == "SHUTOFF"
    # Nova is still at it
    world.servers["original"] = replace(world.servers["original"], status="ACTIVE", task_state="powering-off")
    with pytest.raises(Retry):
        release_original.STEP.apply(context)
    assert "original" in world.servers


@pytest.mark.usefixtures("impatient")
def test_a_deletion_that_takes_long_is_waited_for_and_not_asked_for_twice() -> None:
    world, context = opened(with_server())
    asked: list[str] = []
    world.strike = asked.append
    world.servers["original"] = replace(world.servers["original"], task_state="deleting")
    with pytest.raises(Retry) as told:
        release_original.STEP.apply(context)
    assert not told.value.counts
    assert told.value.watch == Watch("server", "original", "ACTIVE/deleting")
    assert asked == []


def test_of_an_original_that_somebody_else_deletes_meanwhile_nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    world, context = opened(with_server())
    world.servers["original"] = replace(world.servers["original"], task_state="deleting")

    def gone(_: float) -> None:
        del world.servers["original"], world.attached["original"]
        world.ports["own-port"] = replace(world.ports["own-port"], device_id="", status="DOWN")
        for each in ("root-volume", "data-volume"):
            world.update_volume(each)

    monkeypatch.setattr(resources, "time", SimpleNamespace(monotonic=lambda: 0, sleep=gone))
    drive(context, *FINISH)
    assert context.ledger.open() == []
    assert world.ports["own-port"].allowed == ()


def test_the_guests_nic_is_adopted_before_the_first_port_goes() -> None:
    world, context = opened(with_server())
    moments: list[str] = []
    guest = context.guests["surrogate"]
    world.strike = lambda moment: moments.append(f"{moment} {[c for c, _ in guest.calls][-1:]}")
    drive(context, release_original.STEP)
    assert "before detach_port ['guard_remove']" in moments
    assert [c for c, _ in guest.calls if c != "probe"] == ["adopt_nic", "guard_remove"]


def test_any_crash_on_the_way_ends_in_the_same() -> None:
    smooth, straight = opened(with_server())
    drive(straight, *FINISH)
    for world, context in crashes(lambda: opened(with_server()), lambda context: drive(context, *FINISH), least=21):
        if "release_original" not in context.results:
            assert not release_original.STEP.probe(context).done or context.ledger.find("server", "surrogate") is None
        drive(context, *FINISH)
        assert world.ports == smooth.ports
        assert world.servers == smooth.servers
        assert world.attached == smooth.attached
        assert world.volumes == smooth.volumes
        assert world.snapshots == smooth.snapshots
        assert context.ledger.open() == []


def test_what_is_left_is_named_and_fails_the_clean_up() -> None:
    _, context = opened(with_server())
    drive(context, release_original.STEP)
    stray = context.ledger.intend("attachment", "stray", {"server_id": surrogate(context), "volume_id": "data-volume"})
    context.ledger.created(stray, "data-volume")
    with pytest.raises(Failed) as told:
        drive(context, clean_up.STEP)
    assert "attachment" in told.value.detail
    assert told.value.code == "live-update.clean-up.leftovers"


def test_a_line_of_an_unknown_kind_is_never_taken_for_gone() -> None:
    _, context = opened(with_server())
    drive(context, release_original.STEP)
    context.ledger.intend("share", "stray")
    with pytest.raises(Failed, match="share"):
        drive(context, clean_up.STEP)


def test_there_is_no_undo_of_a_release() -> None:
    _, context = opened(with_server())
    drive(context, release_original.STEP)
    with pytest.raises(Failed, match="gone"):
        release_original.STEP.undo(context)


def test_no_original_is_released_for_a_surrogate_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    world, context = opened(with_server())
    before = dict(world.attached["original"])

    def struck(moment: str) -> None:
        if moment == "before delete_server":
            raise Crash

    world.strike = struck
    with pytest.raises(Crash):
        drive(context, release_original.STEP)
    world.strike = lambda _: None
    freed = world.ports["own-port"].device_id
    context.service_cloud().servers.delete(surrogate(context))
    with pytest.raises(Retry, match="gone"):
        # it answers still
        release_original.STEP.apply(context)
    monkeypatch.setattr(context.guests["surrogate"], "reachable", lambda: False)
    with pytest.raises(Lost):
        release_original.STEP.apply(context)
    release_original.STEP.undo(context)
    assert world.attached["original"] == before
    assert (freed, world.ports["own-port"].device_id) == ("", "original")
