"""Volumes that the guest attaches itself: an attachment more for the surrogate, one less once the original is gone."""

from typing import Any

import pytest

from liveupdate.drivers.cloud.attachments import Attachment, Path
from liveupdate.errors import Failed, GuestError
from liveupdate.states import ResourceState
from liveupdate.steps import connect, frozen, hold
from liveupdate.steps.path_events import path_events
from liveupdate.steps.server_facts import describe
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.guest import GuestDouble
from liveupdate.testing.storage import volume
from tests.planning.inside_volume import MOUNT, PORTALS, STORAGE, TARGET
from tests.steps.conftest import context_of, run_before
from tests.steps.crashes import crashes

DEVICE = "/dev/disk/by-id/dm-uuid-mpath-36001"
CONNECTED = {
    "device": DEVICE,
    "paths": [{"device": "sda", "portal": PORTALS[0]}, {"device": "sdb", "portal": PORTALS[1]}],
    "missing": [],
}


def made() -> tuple[World, MemoryContext]:
    """Everything before the step is done."""
    world = with_server()
    world.volumes["inside-volume"] = volume("inside-volume", multiattach=True, type="iscsi")
    paths = tuple(Path(portal, TARGET, 1) for portal in PORTALS)
    world.inside["attachment-original"] = Attachment("attachment-original", "inside-volume", "original", "iscsi", paths)
    world.update_volume("inside-volume")
    context = context_of(world)
    found = context.results["preflight"]
    guest = {**found["guest"], "storage": STORAGE, "mounts": [*found["guest"]["mounts"], MOUNT]}
    context.results["preflight"] = {**found, "guest": guest}
    for double in context.guests.values():
        double.answers = {
            **double.answers,
            "initiator_own": {"initiator": "iqn.x:own"},
            "storage_connect": {"volumes": {"inside-volume": dict(CONNECTED)}},
            "storage": STORAGE,
        }
    run_before(context, None)
    return world, context


def attached(world: World) -> dict[str, str]:
    """Server → volume of each attachment that is not Nova's."""
    return {each.server_id: each.volume_id for each in world.inside.values()}


def asked(guest: Any, command: str) -> list[dict[str, Any]]:
    return [arguments for name, arguments in guest.calls if name == command]


def test_the_server_is_known_to_have_it_and_nova_to_know_nothing_of_it() -> None:
    world, context = made()
    facts = describe(context.service_cloud(), world.servers["original"])
    assert [v["id"] for v in facts["volumes"]] == ["root-volume", "data-volume"]
    [inside] = facts["inside"]
    assert (inside["id"], inside["attachment_id"], inside["servers"]) == (
        "inside-volume",
        "attachment-original",
        ["original"],
    )
    assert inside["targets"] == [[portal, TARGET, 1] for portal in PORTALS]


def test_the_surrogate_is_connected_by_a_name_of_its_own() -> None:
    world, context = made()
    result = context.run(connect.STEP)
    surrogate = context.results["provision"]["server_id"]
    assert attached(world) == {"original": "inside-volume", surrogate: "inside-volume"}
    guest = context.guests["surrogate"]
    commands = [name for name, _ in guest.calls if name in ("initiator_own", "storage_connect")]
    assert commands == ["initiator_own", "storage_connect"], "first the name, then the log-in"
    assert asked(guest, "initiator_own") == [{"server_id": surrogate}]
    assert result["devices"] == {"/data": DEVICE}
    assert not asked(context.guests["original"], "initiator_own")


def test_the_secret_reaches_the_guest_and_neither_result_nor_ledger_nor_event() -> None:
    _, context = made()
    result = context.run(connect.STEP)
    [told] = asked(context.guests["surrogate"], "storage_connect")
    assert told["volumes"][0]["secret"] == "secret"
    assert "secret" not in repr((result, context.ledger.lines, context.events))


def test_applied_twice_is_applied_once() -> None:
    world, context = made()
    result, once = context.run(connect.STEP), world.seen()
    assert context.run(connect.STEP) == result
    assert world.seen() == once


def test_applied_again_after_any_crash_ends_as_without_one() -> None:
    for world, context in crashes(made, connect.STEP.apply, least=5):
        context.run(connect.STEP)
        assert len(world.inside) == 2
        assert [line.kind for line in context.ledger.open()].count(connect.KIND) == 1


def test_undone_after_any_crash_only_the_originals_attachment_is_left() -> None:
    for world, context in crashes(made, connect.STEP.apply, least=5):
        for _ in range(2):
            connect.STEP.undo(context)
        assert attached(world) == {"original": "inside-volume"}
        assert connect.KIND not in [line.kind for line in context.ledger.open()]


def test_a_server_without_any_is_left_alone() -> None:
    context = context_of(with_server())
    run_before(context, None)
    assert context.run(connect.STEP) == {"volumes": {}, "devices": {}}
    connect.STEP.undo(context)
    assert not asked(context.guests["surrogate"], "initiator_own")


def answering(context: MemoryContext, **changes: Any) -> None:
    guest = context.guests["surrogate"]
    guest.answers = {**guest.answers, "storage_connect": {"volumes": {"inside-volume": {**CONNECTED, **changes}}}}


@pytest.mark.parametrize(("minimum", "fails"), [(1, False), (2, True)])
def test_a_portal_that_the_surrogate_cannot_reach_is_told_of_or_forbidden(minimum: int, fails: bool) -> None:
    _, context = made()
    context.results["preflight"] = {**context.results["preflight"], "minimum_paths": minimum}
    answering(context, paths=CONNECTED["paths"][:1], missing=[PORTALS[1]])
    if fails:
        with pytest.raises(Failed) as caught:
            connect.STEP.apply(context)
        assert caught.value.code == "live-update.volume.paths"
    else:
        connect.STEP.apply(context)
        told = {"on": "surrogate", "volume_id": "inside-volume", "portal": PORTALS[1]}
        assert ("path.missing", told) in context.events


def failing(error: GuestError) -> MemoryContext:
    """Its surrogate cannot connect."""

    class Unlucky(GuestDouble):
        def oneshot(self, command: str, arguments: Any, timeout: float = 0) -> dict[str, Any]:
            if command == "storage_connect":
                raise error
            return super().oneshot(command, arguments)

    _, context = made()
    context.guests = {**context.guests, "surrogate": Unlucky(answers=context.guests["surrogate"].answers)}
    return context


def test_what_fails_in_the_guest_undoes_the_update() -> None:
    context = failing(GuestError("no disk appeared", code="guest.no-path", remedy="see the portals"))
    with pytest.raises(Failed) as caught:
        connect.STEP.apply(context)
    assert (caught.value.code, caught.value.remedy) == ("live-update.connect.no-path", "see the portals")


def test_a_guest_that_does_not_answer_is_no_failure_yet() -> None:
    context = failing(GuestError("no answer", code="live-update.guest.silent"))
    with pytest.raises(GuestError) as caught:
        connect.STEP.apply(context)
    assert caught.value.code == "live-update.guest.silent"


def test_multipathd_on_the_original_is_set_up_and_undone_where_an_unused_disk_has_several_paths() -> None:
    _, context = made()
    found = context.results["preflight"]
    guest = {**found["guest"], "storage": {**STORAGE, "maps": []}}
    context.results["preflight"] = {**found, "guest": guest}
    connect.STEP.apply(context)
    original = context.guests["original"]
    assert asked(original, "multipath_up") == [{"job": context.job.id, "disks": [["sda", "sdb"]]}]
    connect.STEP.undo(context)
    assert asked(original, "multipath_down") == [{"job": context.job.id}]


def test_its_file_system_is_no_part_of_the_boot_volumes_copy() -> None:
    _, context = made()
    assert frozen.mounts(context, {"root-volume"}) == ["/boot", "/"]


def test_once_the_original_is_gone_its_attachment_goes_and_the_surrogates_stays() -> None:
    world, context = made()
    context.run(connect.STEP)
    for _ in range(2):
        connect.release(context)
        assert attached(world) == {context.results["provision"]["server_id"]: "inside-volume"}
    [line] = [line for line in context.ledger.lines if line.kind == connect.KIND]
    assert line.state == ResourceState.KEPT


def test_each_path_that_is_lost_or_back_is_told_once_and_stays_known() -> None:
    _, context = made()
    lost = {"event": "lost", "portal": PORTALS[0], "target": TARGET, "at": 5.0}
    back = {**lost, "event": "back", "at": 9.0}
    guest = context.guests["original"]
    guest.answers = {**guest.answers, "status": {"path_events": [lost]}}
    context.results["pre_copy"] = {"path_events": path_events(context, "original", "surrogate")}
    guest.answers = {**guest.answers, "status": {"path_events": [lost, back]}}
    context.results["hold"] = {"path_events": path_events(context, "original", "surrogate")}
    context.guests = {"surrogate": context.guests["surrogate"]}
    assert path_events(context, "surrogate")["original"] == [lost, back]
    assert [kind for kind, _ in context.events if kind.startswith("path.")] == ["path.lost", "path.back"]


def test_a_guest_that_tells_nonsense_of_its_paths_tells_nothing() -> None:
    _, context = made()
    guest = context.guests["original"]
    nonsenses: tuple[Any, ...] = ([{}], [7], "x", [{"event": "lost", "portal": "p", "target": "t", "at": "soon"}])
    for nonsense in nonsenses:
        guest.answers = {**guest.answers, "status": {"path_events": nonsense}}
        assert path_events(context, "original") == {"original": []}


def test_after_the_cut_over_the_paths_are_looked_at_again() -> None:
    _, context = made()
    context.run(connect.STEP)
    [told] = asked(context.guests["surrogate"], "storage_connect")[0]["volumes"]
    target = told["targets"][0][1]
    seen = [{**disk, "target": target} for disk in STORAGE["disks"]]
    degraded: dict[str, Any] = {
        "uuid": "36001",
        "device": "dm-0",
        "paths": [dict(p) for p in STORAGE["maps"][0]["paths"]],
    }
    degraded["paths"][0]["chk_st"] = "faulty"
    guest = context.guests["surrogate"]
    guest.answers = {**guest.answers, "storage": {**STORAGE, "disks": seen, "maps": [degraded]}}
    result = hold.STEP.apply(context)
    assert result["guest_paths"] == {"inside-volume": 1}
    assert [detail for kind, detail in context.events if kind == "path.degraded"] == [
        {"on": "surrogate", "volume_id": "inside-volume", "good": 1, "expected": 2}
    ]


@pytest.mark.parametrize("wrong", [{"device": "/dev/sda; reboot"}, {"paths": None}, {"missing": ["x"] * 1000}])
def test_what_a_guest_would_never_say_is_not_taken_down(wrong: dict[str, Any]) -> None:
    _, context = made()
    answering(context, **wrong)
    with pytest.raises(Failed) as caught:
        connect.STEP.apply(context)
    assert caught.value.code == "live-update.connect.bad-answer"
