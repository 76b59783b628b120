"""The paths that are demanded are there on the surrogate's host, and after the hand-over."""

import pytest

from liveupdate.errors import Failed
from liveupdate.planning.report import host_paths
from liveupdate.steps import attach, cut_over, pre_copy
from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext
from tests.steps.conftest import run_before
from tests.steps.moving import drive, made, undo


def demanding(context: MemoryContext, minimum: int) -> None:
    context.results["preflight"] = {**context.results["preflight"], "minimum_paths": minimum}


def test_a_surrogate_whose_host_has_fewer_is_undone(world: World, context: MemoryContext) -> None:
    run_before(context, attach.STEP)
    world.paths = {"data-volume": 1}
    demanding(context, 2)
    with pytest.raises(Failed) as caught:
        attach.STEP.apply(context)
    assert caught.value.code == "live-update.volume.paths"
    world.paths = {"data-volume": 2}
    assert attach.STEP.apply(context)["host_paths"]["data-volume"] == 2


def test_a_volume_that_arrives_over_fewer_goes_back(world: World) -> None:
    context, pair = made(multiattach=False)
    demanding(context, 2)
    pair.world.paths = {"data-volume": 1}
    with pytest.raises(Failed) as caught:
        drive(context, pre_copy.STEP, cut_over.STEP)
    assert caught.value.code == "live-update.volume.paths"
    undo(context, pre_copy.STEP, cut_over.STEP)
    assert pair.serving == {"original"}
    assert set(pair.world.attached["original"]) == {"root-volume", "data-volume"}


def test_the_report_tells_of_both_hosts(world: World, context: MemoryContext) -> None:
    world.paths = {"data-volume": 2}
    run_before(context, None)
    before = {"server": {"volumes": [{"id": "data-volume", "boot": False, "protocol": "iscsi", "paths": 4}]}}
    told = {"volume_id": "data-volume", "attached_by": "host", "protocol": "iscsi", "before": 4, "after": 2}
    assert host_paths(before, context.results["attach"]["host_paths"]) == [told]
