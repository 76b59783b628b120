"""The lock keeps the server as the checks saw it; what its owner did to it before ends the job, with the reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.drivers.cloud.servers import AttachedVolume
from liveupdate.errors import Failed
from liveupdate.steps import lock
from liveupdate.testing.cloud import World, with_local_root, with_server
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.network import port
from liveupdate.testing.servers import FLAVOR
from liveupdate.testing.storage import volume
from tests.steps.conftest import context_of
from tests.steps.crashes import crashes


def has(**changes: Any) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.servers["original"] = replace(world.servers["original"], **changes)

    return change


def plug(world: World) -> None:
    world.volumes["new"] = volume("new")
    world.attached["original"]["new"] = AttachedVolume("new", "/dev/vdc", "", False)


def unplug(world: World) -> None:
    del world.attached["original"]["data-volume"]


def connect(world: World) -> None:
    world.ports["new"] = port("new", "10.0.0.11", device_id="original")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda world: world.servers.clear(), "the server is gone by now"),
        (has(status="SHUTOFF"), "the server is SHUTOFF by now"),
        (has(status="VERIFY_RESIZE"), "the server is VERIFY_RESIZE by now"),
        (has(status="REBUILD"), "the server is REBUILD by now"),
        (has(locked=True, locked_reason="mine"), "the server is locked: mine"),
        (has(flavor=replace(FLAVOR, name="big", memory=4096)), "the server has other flavor"),
        (plug, "the server has other volumes"),
        (unplug, "the server has other volumes"),
        (connect, "the server has other ports"),
    ],
)
def test_what_its_owner_did_since_the_checks_ends_the_job(act: Callable[[World], None], reason: str) -> None:
    world = with_server()
    context = context_of(world)
    act(world)
    before = dict(world.servers)
    with pytest.raises(Failed, match=reason) as caught:
        lock.STEP.apply(context)
    assert caught.value.user_fault
    lock.STEP.undo(context)
    assert world.servers == before
    assert context.ledger.open() == []


def test_a_stop_right_before_the_lock_does_too() -> None:
    world = with_server()
    context = context_of(world)
    world.strike = lambda moment: has(status="SHUTOFF")(world) if moment == "before lock_server" else None
    with pytest.raises(Failed, match="other status"):
        lock.STEP.apply(context)


def test_a_rebuild_from_another_image_does_too() -> None:
    world = with_local_root()
    context = context_of(world)
    has(image_id="newer")(world)
    with pytest.raises(Failed, match="other image"):
        lock.STEP.apply(context)


def test_a_volume_that_is_no_more_and_that_nova_still_lists_is_nothing_new() -> None:
    world = with_server()
    world.attached["original"]["ghost"] = AttachedVolume("ghost", "/dev/vdc", "", False)
    context = context_of(world)
    assert lock.STEP.apply(context) == {"locked": True}


def test_nor_is_it_missed_by_who_follows_a_worker_that_died_in_between() -> None:
    for world, crashed in crashes(_plugged_since, _refused, least=2):
        assert not lock.STEP.probe(crashed).done
        _refused(crashed)
        lock.STEP.undo(crashed)
        assert not world.servers["original"].locked


def _plugged_since() -> tuple[World, MemoryContext]:
    world = with_server()
    context = context_of(world)
    plug(world)
    return world, context


def _refused(context: MemoryContext) -> None:
    with pytest.raises(Failed, match="other volumes"):
        lock.STEP.apply(context)
