"""What every cloud-side step keeps: probe tells the truth, apply adopts, undo leaves nothing, wherever it crashed."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from liveupdate.model import Json
from liveupdate.steps.protocol import Step
from liveupdate.testing.boot_sets import with_boot_set
from liveupdate.testing.cloud import World, with_local_root, with_server
from liveupdate.testing.context import MemoryContext
from tests.steps.conftest import ORDER, all_but, context_of, run_before
from tests.steps.crashes import crashes

#: Steps that change something.
CHANGING = all_but(ORDER, "place")
#: What a server may boot from.
ROOTS = {"volume": with_server, "two volumes": with_boot_set, "local disk": with_local_root}

Prepare = Callable[[Step], tuple[World, MemoryContext]]


@pytest.fixture(params=ROOTS)
def prepared(request: pytest.FixtureRequest) -> Prepare:
    return partial(_prepared, ROOTS[request.param])


def _prepared(make: Callable[[], World], step: Step) -> tuple[World, MemoryContext]:
    world = make()
    context = context_of(world)
    run_before(context, step)
    return world, context


def shape(world: World) -> dict[str, Any]:
    """What is there, whatever its ids."""
    return {
        "servers": sorted((s.name, s.host, s.locked) for s in world.servers.values()),
        "volumes": sorted((v.name, len(v.servers)) for v in world.volumes.values()),
        "snapshots": sorted(s.name for s in world.snapshots.values()),
        "images": sorted(i.name for i in world.images.values()),
        "ports": sorted((p.name, bool(p.device_id), len(p.allowed)) for p in world.ports.values()),
    }


@pytest.mark.parametrize("step", CHANGING, ids=lambda s: s.name)
class TestEveryStep:
    def test_is_not_done_before_it_is_applied(self, prepared: Prepare, step: Step) -> None:
        _, context = prepared(step)
        assert not step.probe(context).done

    def test_probe_tells_what_apply_returned(self, prepared: Prepare, step: Step) -> None:
        _, context = prepared(step)
        result = step.apply(context)
        seen = step.probe(context)
        assert (seen.done, seen.result) == (True, result)

    def test_probe_changes_nothing(self, prepared: Prepare, step: Step) -> None:
        world, context = prepared(step)
        before = world.seen()
        step.probe(context)
        assert (world.seen(), context.ledger.open()) == (before, prepared(step)[1].ledger.open())

    def test_applied_twice_is_applied_once(self, prepared: Prepare, step: Step) -> None:
        world, context = prepared(step)
        result: Json = step.apply(context)
        once = world.seen()
        assert step.apply(context) == result
        assert world.seen() == once

    def test_undo_restores_what_was_and_may_be_repeated(self, prepared: Prepare, step: Step) -> None:
        world, context = prepared(step)
        before, lines = world.seen(), context.ledger.open()
        step.apply(context)
        assert world.seen() != before
        for _ in range(2):
            step.undo(context)
            assert world.seen() == before
            assert context.ledger.open() == lines

    def test_undo_of_what_never_was_does_nothing(self, prepared: Prepare, step: Step) -> None:
        world, context = prepared(step)
        before = world.seen()
        step.undo(context)
        assert world.seen() == before

    def test_applied_again_after_any_crash_ends_as_without_one(self, prepared: Prepare, step: Step) -> None:
        smooth, context = prepared(step)
        step.apply(context)
        for world, crashed in crashes(lambda: prepared(step), step.apply, least=3):
            step.apply(crashed)
            assert shape(world) == shape(smooth)
            assert step.probe(crashed).done

    def test_undone_after_any_crash_leaves_nothing(self, prepared: Prepare, step: Step) -> None:
        before, context = prepared(step)
        lines = [replace(line) for line in context.ledger.open()]
        for world, crashed in crashes(lambda: prepared(step), step.apply, least=3):
            step.undo(crashed)
            assert shape(world) == shape(before)
            assert [(r.kind, r.role) for r in crashed.ledger.open()] == [(r.kind, r.role) for r in lines]


@pytest.mark.parametrize("make", ROOTS.values(), ids=list(ROOTS))
def test_all_undone_in_reverse_leaves_the_world_as_it_was(make: Callable[[], World]) -> None:
    world = make()
    before = world.seen()
    context = context_of(world)
    run_before(context, None)
    for step in reversed(ORDER):
        step.undo(context)
    assert world.seen() == {**before, "attached": {**before["attached"]}}
    assert context.ledger.open() == []
