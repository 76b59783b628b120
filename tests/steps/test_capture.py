"""A server is captured and deployed, on a cloud in memory: whole after any crash, or nothing is left of it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.methods.capture import METHOD, parameters
from liveupdate.methods.deploy import METHOD as DEPLOY
from liveupdate.methods.image_delete import METHOD as DELETE
from liveupdate.planning import golden
from liveupdate.states import ResourceState
from liveupdate.steps import (
    boot_copy,
    check_capture,
    copy_volumes,
    deploy,
    guard,
    prove_deployed,
    publish_image,
    release_source,
    seal,
    settle_capture,
    settle_deploy,
    take_down_copy,
)
from liveupdate.steps.protocol import Step
from liveupdate.testing.captures import FILESYSTEM, HOST_KEY, KERNEL, CopyGuest, machine_id, provenance, witness
from liveupdate.testing.cloud import CloudDouble, World, with_server
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble
from tests.steps.conftest import drive
from tests.steps.crashes import Crash, alive, crash_at, crashes

SERVER = "11111111-1111-4111-8111-111111111111"
SEEN = {
    "smbios_uuid": SERVER,
    "systemd": True,
    "cloud_init": True,
    "mounts": [
        {"where": "/", "fstype": "ext4"},
        {"where": "/data", "fstype": "ext4", "by_id": "virtio-data-volume", "options": "rw"},
    ],
    "units": [],
}
BEFORE_PIVOT = METHOD.steps[: METHOD.steps.index(publish_image.STEP)]
QUIET = (check_capture.STEP, guard.STEP, release_source.STEP)


def asked(*volumes: str, **changes: Any) -> tuple[World, MemoryContext]:
    world = with_server()
    properties = {
        "os_distro": "debian",
        "hw_disk_bus": "virtio",
        "os_hash_algo": "sha512",
        "image_id": "debian",
        "x": "y",
    }
    world.volumes["root-volume"] = replace(world.volumes["root-volume"], image_properties=properties)
    key = {"liveupdate:host_key": HOST_KEY}
    world.servers[SERVER] = replace(world.servers.pop("original"), id=SERVER, metadata=key)
    world.attached[SERVER] = world.attached.pop("original")
    for identifier in world.attached[SERVER]:
        world.update_volume(identifier)
    world.ports["own-port"] = replace(world.ports["own-port"], device_id=SERVER)
    made = job(method="capture", server_id=SERVER, parameters=parameters("golden", volumes), **changes)
    guests = {
        "original": GuestDouble(answers={"inspect": SEEN, "guard_install": {"pid_base": 1, "masked": []}}),
        "surrogate": CopyGuest(world=world, answers={"provenance": provenance()}),
    }
    return world, MemoryContext(made, CloudDouble(world, admin=False), CloudDouble(world, admin=True), guests)


def prepared(step: Step | None, *volumes: str) -> tuple[World, MemoryContext]:
    world, context = asked(*volumes)
    drive(context, *METHOD.steps[: METHOD.steps.index(step) if step else None])
    return world, context


def captured(*volumes: str) -> tuple[World, MemoryContext]:
    return prepared(None, *volumes)


def names(context: MemoryContext, side: str) -> list[str]:
    return [command for command, _ in context.guests[side].calls]


# -- capture -----------------------------------------------------------------------------------------------------------


def test_nothing_stays_but_the_image_and_what_is_behind_it() -> None:
    world, context = captured("data-volume")
    [image] = world.golden.values()
    assert (image.name, image.status, image.min_disk) == ("golden", "active", 3)
    assert [world.snapshots[disk.snapshot_id].volume_id for disk in image.disks] == [
        volume["volume_id"] for volume in context.results["copy_volumes"]["volumes"]
    ]
    assert list(world.snapshots) == [disk.snapshot_id for disk in image.disks]
    assert list(world.servers) == [SERVER]
    assert list(world.ports) == ["own-port"]
    assert not world.servers[SERVER].locked
    kept = {(line.kind, line.role) for line in context.ledger.lines if line.state == ResourceState.KEPT}
    behind = {("snapshot", "golden-0"), ("snapshot", "golden-1"), ("volume", "copy-0"), ("volume", "copy-1")}
    assert kept == {("image", "golden"), *behind}
    assert all(line.keep_until is None for line in context.ledger.lines), "an image is no fallback"
    assert context.ledger.open() == []


def test_an_image_says_where_it_comes_from_and_what_it_is() -> None:
    world, _ = captured()
    told = next(iter(world.golden.values())).properties
    assert (told[golden.KERNEL], told[golden.SOURCE_SERVER], told[golden.SOURCE_IMAGE]) == (KERNEL, SERVER, "debian")
    assert (told["os_distro"], told["hw_disk_bus"], told["img_config_drive"]) == ("debian", "virtio", "mandatory")
    assert {"os_hash_algo", "x"} & told.keys() == set()


def test_the_server_is_asked_for_no_more_than_to_hold_still_and_keeps_nothing() -> None:
    _, context = captured("data-volume")
    assert names(context, "original") == [
        "inspect", "remove_agent", "guard_install", "guard_remove", "remove_agent"
    ]  # fmt: skip
    assert context.results["copy_volumes"]["frozen_ms"] == 360


def test_all_volumes_are_copied_as_of_one_moment() -> None:
    world, context = prepared(copy_volumes.STEP, "data-volume")
    frozen: dict[str, list[bool]] = {}
    world.strike = lambda moment: frozen.setdefault(moment, []).append(context.guests["original"].frozen)
    drive(context, copy_volumes.STEP)
    assert frozen["before create_snapshot"] == [True, True]
    assert frozen["before create_volume"] == [False, False]


def test_the_copy_is_sealed_by_the_order_for_it_and_no_other_machine() -> None:
    _, context = prepared(take_down_copy.STEP)
    [order] = [told for command, told in context.guests["surrogate"].calls if command == "seal_prepare"]
    copy = context.results["boot_copy"]["server_id"]
    assert order == {"original_uuid": SERVER, "instance_uuid": copy, "word": context.job.id}
    assert context.guests["surrogate"].started == 1


def test_a_copy_that_stopped_before_its_last_word_is_not_used() -> None:
    _, context = prepared(seal.STEP)
    context.guests["surrogate"].trouble = "dies"
    with pytest.raises(Failed) as told:
        drive(context, seal.STEP)
    assert told.value.code == "live-update.capture.not-sealed"


def test_a_sealing_that_failed_is_told_in_the_copys_words() -> None:
    _, context = prepared(seal.STEP)
    context.guests["surrogate"].trouble = "fails"
    with pytest.raises(Failed, match="a disk is read-only"):
        drive(context, seal.STEP)


@pytest.mark.parametrize(
    "lie",
    [
        {"kernel": "6.1 $(reboot)"},
        {"kernel": ["6.1"]},
        {"packages": "x"},
        {"machine_id": ""},
        {"host_key": "ssh-ed25519 AAAA\nliveupdate:job x"},
    ],
)
def test_what_a_guest_says_is_not_believed_whatever_it_is(lie: dict[str, Any]) -> None:
    _, context = prepared(boot_copy.STEP)
    context.guests["surrogate"].answers = {"provenance": provenance(**lie)}
    with pytest.raises(Failed) as told:
        drive(context, boot_copy.STEP)
    assert told.value.code == "live-update.capture.provenance"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "SHUTOFF"}, "server.active"),
        ({"locked": True}, "server.unlocked"),
        ({"metadata": {}}, "guest.host-key-unknown"),
        ({"root_device": "/dev/sda"}, "capture.boot-volume"),
    ],
)
def test_what_stands_in_the_way_is_found_first(change: dict[str, Any], code: str) -> None:
    world, context = asked()
    world.servers[SERVER] = replace(world.servers[SERVER], **change)
    before = world.seen()
    with pytest.raises(Failed, match=code):
        check_capture.STEP.apply(context)
    assert world.seen() == before


def test_a_volume_of_another_server_is_not_captured() -> None:
    _, context = asked("another-volume")
    with pytest.raises(Failed, match=r"capture\.volume \(another-volume\)"):
        check_capture.STEP.apply(context)


@pytest.mark.parametrize("fact", ["systemd", "cloud_init"])
def test_a_guest_that_cannot_be_made_an_image_of_is_refused(fact: str) -> None:
    _, context = asked()
    context.guests["original"].answers = {"inspect": {**SEEN, fact: False}}
    with pytest.raises(Failed, match=rf"capture\.{fact.replace('_', '-')}"):
        check_capture.STEP.apply(context)


def test_a_server_from_an_image_that_names_volumes_boots_from_a_volume_as_any_other() -> None:
    world, context = asked()
    world.servers[SERVER] = replace(world.servers[SERVER], image_id="golden")
    drive(context, *METHOD.steps)
    described = context.results["preflight"]["server"]
    assert (described["image_id"], [v["id"] for v in described["volumes"] if v["boot"]]) == ("", ["root-volume"])


def interrupted(step: Step) -> Iterator[tuple[World, MemoryContext]]:
    return crashes(lambda: prepared(step, "data-volume"), lambda context: drive(context, step), least=0)


def resume(context: MemoryContext, *steps: Step) -> None:
    """As the engine does with the first of them: it looks before it tries again."""
    seen = steps[0].probe(context)
    if seen.done:
        context.results[steps[0].part or steps[0].name] = seen.result
    drive(context, *(steps[1:] if seen.done else steps))


def shape(world: World) -> dict[str, Any]:
    """What is there, whatever its ids."""
    return {
        "servers": sorted((s.name, s.status, s.locked, s.tags) for s in world.servers.values()),
        "volumes": sorted((v.name, len(v.servers)) for v in world.volumes.values()),
        "snapshots": sorted(s.name for s in world.snapshots.values()),
        "images": sorted((i.name, i.status) for i in world.images.values()),
        "ports": sorted((p.name, bool(p.device_id)) for p in world.ports.values()),
    }


@pytest.mark.parametrize("step", METHOD.steps, ids=lambda s: s.name)
def test_captured_all_the_same_after_any_crash(step: Step) -> None:
    smooth, _ = captured("data-volume")
    for world, context in interrupted(step):
        resume(context, *METHOD.steps[METHOD.steps.index(step) :])
        assert shape(world) == shape(smooth)
        assert context.ledger.open() == []


@pytest.mark.parametrize("step", BEFORE_PIVOT, ids=lambda s: s.name)
def test_undone_after_any_crash_nothing_is_left(step: Step) -> None:
    untouched, _ = asked()
    for world, context in interrupted(step):
        for done in reversed(METHOD.steps[: METHOD.steps.index(step) + 1]):
            done.undo(context)
            done.undo(context)
        assert shape(world) == shape(untouched)
        assert context.ledger.open() == []
        assert names(context, "original")[-2:] == ["guard_remove", "remove_agent"] or step in METHOD.steps[:3]


@pytest.mark.parametrize("step", [s for s in METHOD.steps[:-1] if s not in QUIET], ids=lambda s: s.name)
def test_probe_tells_what_apply_returned_and_changes_nothing(step: Step) -> None:
    world, context = prepared(step, "data-volume")
    assert not step.probe(context).done
    drive(context, step)
    before = world.seen()
    seen = step.probe(context)
    assert (seen.done, seen.result) == (True, context.results[step.part or step.name])
    assert world.seen() == before


# -- deploy ------------------------------------------------------------------------------------------------------------


def asking(world: World, method: str, **told: Any) -> MemoryContext:
    [image] = world.golden.values()
    made = job(id="0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b11", method=method, server_id="")
    given = {"image_id": image.id, "image_name": image.name, **told}
    return MemoryContext(
        replace(made, parameters=given), CloudDouble(world, admin=False), CloudDouble(world, admin=True)
    )


def deploying(**told: Any) -> tuple[World, MemoryContext]:
    world, _ = captured("data-volume")
    wanted = {"names": ["web-1", "web-2"], "flavor_id": "id-of-guest", "network_id": "network", **told}
    return world, asking(world, "deploy", **wanted)


def speak(world: World, **changes: str) -> None:
    """Every server but the source boots, and says who it is."""
    for identifier in world.servers.keys() - {SERVER}:
        world.consoles[identifier] = witness(identifier, list(world.attached[identifier]), **changes)


def new(world: World) -> list[Any]:
    return [server for identifier, server in world.servers.items() if identifier != SERVER]


def test_each_new_server_has_volumes_of_its_own_in_order_and_no_mark_of_ours() -> None:
    world, context = deploying()
    drive(context, *DEPLOY.steps[:2])
    speak(world)
    drive(context, *DEPLOY.steps[2:])
    assert [(s.name, s.tags) for s in new(world)] == [("web-1", ()), ("web-2", ())]
    disks = [list(world.attached[s.id].values()) for s in new(world)]
    assert [[d.device for d in each] for each in disks] == [["/dev/vda", "/dev/vdb"]] * 2
    assert all(d.delete_on_termination for each in disks for d in each)
    told = context.results["prove_deployed"]["servers"]
    assert [(s["name"], s["kernel"]) for s in told] == [("web-1", KERNEL), ("web-2", KERNEL)]
    assert len({s["host_key"] for s in told} | {HOST_KEY}) == 3
    assert context.ledger.open() == []


def test_a_server_that_has_not_spoken_yet_is_waited_for() -> None:
    world, context = deploying()
    drive(context, *DEPLOY.steps[:2])
    with pytest.raises(Retry) as told:
        prove_deployed.STEP.apply(context)
    assert not told.value.counts
    speak(world)
    prove_deployed.STEP.apply(context)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        ({"kernel": "6.1.0-50-cloud-amd64"}, "it runs 6.1.0-50"),
        ({"machine": machine_id("source")}, "machine-id of the source"),
        ({"key": HOST_KEY}, "host key of the source"),
        ({"machine": machine_id("twin")}, "machine id of web-1"),
        ({"uuid": SERVER}, "it says that it is server"),
    ],
)
def test_what_is_not_a_new_server_with_the_new_kernel_is_not_left_there(lie: dict[str, str], why: str) -> None:
    world, context = deploying()
    before = world.seen()
    drive(context, *DEPLOY.steps[:2])
    speak(world, **lie)
    with pytest.raises(Failed, match=why):
        prove_deployed.STEP.apply(context)
    for step in reversed(DEPLOY.steps[:3]):
        step.undo(context)
    assert world.seen() == before


def test_a_server_without_the_captured_volume_is_found_out() -> None:
    world, context = deploying()
    drive(context, *DEPLOY.steps[:2])
    for server in new(world):
        world.consoles[server.id] = witness(server.id, list(world.attached[server.id])[:1])
    with pytest.raises(Failed, match="does not see its volumes"):
        prove_deployed.STEP.apply(context)


def test_a_file_system_that_was_captured_must_be_there() -> None:
    world, context = deploying()
    [image] = world.golden
    told = {**world.golden[image].properties, golden.FILESYSTEMS: f"{FILESYSTEM} aaaa-bbbb"}
    world.golden[image] = replace(world.golden[image], properties=told)
    drive(context, *DEPLOY.steps[:2])
    speak(world)
    with pytest.raises(Failed, match="captured file systems aaaa-bbbb"):
        prove_deployed.STEP.apply(context)


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda world: world.snapshots.clear(), "image.snapshots"),
        (lambda world: world.golden.update({i: replace(g, disks=()) for i, g in world.golden.items()}), "image.disks"),
        (lambda world: world.golden.update({i: replace(g, min_ram=9999) for i, g in world.golden.items()}), "memory"),
    ],
)
def test_an_image_that_cannot_be_deployed_is_told_first(spoil: Any, code: str) -> None:
    world, context = deploying()
    spoil(world)
    with pytest.raises(Failed, match=code):
        drive(context, DEPLOY.steps[0])


@pytest.mark.parametrize("step", [deploy.STEP, settle_deploy.STEP], ids=lambda s: s.name)
def test_deployed_all_the_same_after_any_crash(step: Step) -> None:
    def made() -> tuple[World, MemoryContext]:
        world, context = deploying()
        todo = DEPLOY.steps[: DEPLOY.steps.index(step)]
        drive(context, *todo[:2])
        speak(world)
        drive(context, *todo[2:])
        return world, context

    for world, context in crashes(made, lambda context: drive(context, step), least=3):
        drive(context, step)
        assert [s.name for s in new(world)] == ["web-1", "web-2"]
        if step is deploy.STEP:
            step.undo(context)
            assert new(world) == []


# -- delete ------------------------------------------------------------------------------------------------------------


def test_an_image_goes_with_all_that_is_behind_it_and_with_nothing_else() -> None:
    before, _ = asked()
    world, _ = captured("data-volume")
    context = asking(world, "image_delete", kept_lines=[7])
    drive(context, *DELETE.steps)
    assert shape(world) == shape(before)
    assert context.ledger.open() == []
    assert context.ledger.ended == {7: True}


def test_who_changes_an_images_properties_gets_nothing_else_deleted() -> None:
    world, _ = captured()
    world.snapshots["precious"] = replace(next(iter(world.snapshots.values())), id="precious", metadata={})
    [image] = world.golden
    disk = replace(world.golden[image].disks[0], snapshot_id="precious")
    world.golden[image] = replace(world.golden[image], disks=(disk,))
    drive(asking(world, "image_delete"), *DELETE.steps)
    assert "precious" in world.snapshots


@pytest.mark.parametrize("number", range(0, 40, 2))
def test_deleted_all_the_same_after_any_crash(number: int) -> None:
    before, _ = asked()
    world, _ = captured("data-volume")
    context = asking(world, "image_delete")
    drive(context, DELETE.steps[0])
    crash_at(world, context, number)
    try:
        drive(context, DELETE.steps[1])
    except Crash:
        alive(world, context)
        drive(context, DELETE.steps[1])
    assert shape(world) == shape(before)
    assert context.ledger.open() == []


def test_settled_twice_is_settled_once() -> None:
    world, context = captured()
    before = world.seen()
    drive(context, settle_capture.STEP)
    assert world.seen() == before
