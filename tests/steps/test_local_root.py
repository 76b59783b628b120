"""A server whose root disk lies on its host: copied as an image while it runs, and brought back from one."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.methods import restore
from liveupdate.model import Fallback
from liveupdate.planning import move, report
from liveupdate.states import ResourceState
from liveupdate.steps import (
    clean_up,
    end_fallback,
    fallback,
    inspect_fallback,
    lock,
    mirror,
    pre_copy,
    release_original,
)
from liveupdate.testing.cloud import CloudDouble, World, with_local_root
from liveupdate.testing.context import MemoryContext, job
from tests.steps.conftest import context_of, drive, opened, run_before
from tests.steps.crashes import crashes

FINISH = (release_original.STEP, clean_up.STEP)


@pytest.fixture
def world() -> World:
    return with_local_root()


@pytest.fixture
def context(world: World) -> MemoryContext:
    return context_of(world)


def updated(**parameters: Any) -> tuple[World, MemoryContext]:
    world, context = opened(with_local_root(), **parameters)
    drive(context, *FINISH)
    return world, context


def test_the_clock_is_read_before_the_disk_is_flushed_and_that_before_nova_copies(
    world: World, context: MemoryContext
) -> None:
    guest, moments = context.guests["original"], []
    world.strike = lambda moment: moments.append((moment, guest.now, [c for c, _ in guest.calls]))
    run_before(context, mirror.STEP)
    moments.clear()
    result = context.run(mirror.STEP)
    (moment, clock, calls), _ = moments
    assert (moment, calls) == ("before create_image", ["flush"])
    # what changes from here on counts as changed, on the original; on the surrogate only what changes later
    assert result["since"] == clock
    assert result["until"] > result["since"]
    assert pre_copy._since(context, move.sides({})) == {
        "original": result["since"],
        "surrogate": result["until"],
    }


def test_the_file_systems_are_never_frozen(context: MemoryContext) -> None:
    guest = context.guests["original"]
    guest.freeze = None  # whoever calls it fails
    run_before(context, None)


@pytest.mark.usefixtures("impatient")
def test_the_copy_counts_only_once_nova_has_let_go_of_the_server(world: World, context: MemoryContext) -> None:
    run_before(context, mirror.STEP)
    world.servers["original"] = replace(world.servers["original"], task_state="image_uploading")
    with pytest.raises(Retry) as told:
        context.run(mirror.STEP)
    assert not told.value.counts
    assert told.value.watch is not None
    assert not mirror.STEP.probe(context).done
    world.servers["original"] = replace(world.servers["original"], task_state="")
    once = len(world.images)
    context.run(mirror.STEP)
    assert len(world.images) == once
    assert mirror.STEP.probe(context).done


def test_an_image_that_nova_gave_up_fails_the_step(world: World, context: MemoryContext) -> None:
    run_before(context, fallback.STEP)
    world.strike = lambda moment: world.images.clear() if moment == "after create_image" else None
    with pytest.raises(Failed, match="gone"):
        context.run(fallback.STEP)


def test_the_surrogate_is_made_from_the_copy_and_the_copy_goes() -> None:
    world, context = updated()
    [server] = world.servers.values()
    image = context.results["mirror"]["image_id"]
    assert server.image_id == image
    assert image not in world.images
    assert list(world.attached[server.id]) == ["data-volume"]
    assert context.ledger.open() == []
    assert sorted((r.kind, r.role) for r in context.ledger.lines if r.state == ResourceState.KEPT) == [
        ("attachment", "surrogate-data-vol"),
        ("image", "fallback"),
        ("server", "surrogate"),
    ]


def test_a_copy_whose_clone_the_server_runs_on_stays_and_is_told_of() -> None:
    world = with_local_root()
    context = context_of(world)
    run_before(context, None)
    world.cloned.add(context.results["mirror"]["image_id"])
    drive(context, *FINISH)
    assert context.results["mirror"]["image_id"] in world.images
    assert context.ledger.open() == []
    assert [name for name, _ in context.events] == ["mirror.image_kept"]


def test_the_fallback_is_an_image_kept_for_its_days() -> None:
    world, context = updated(keep_fallback_days=3)
    [line] = [r for r in context.ledger.lines if r.keep_until]
    assert (line.kind, line.role, line.details["boot"], line.details["noted"]) == ("image", "fallback", True, True)
    assert sorted(world.images) == sorted(["debian", line.cloud_id])


def test_a_fallback_of_no_days_is_gone() -> None:
    world, _ = updated(keep_fallback_days=0)
    assert list(world.images) == ["debian"]


def test_the_report_tells_size_place_and_time_of_the_disk() -> None:
    _, context = updated()
    told = report.assemble(context.job, [], context.ledger.lines)["volumes"]
    assert [(v["kind"], v["role"], v["size"], v["type"], v["bytes"], v["seconds"], v["state"]) for v in told] == [
        ("image", "fallback", 3, "local", 1 << 30, 0.5, "kept"),
        ("image", "mirror", 3, "local", 1 << 30, 0.5, "deleted"),
    ]


def test_any_crash_after_the_opening_ends_in_the_same() -> None:
    smooth, _ = updated()
    for world, context in crashes(lambda: opened(with_local_root()), lambda context: drive(context, *FINISH), least=16):
        drive(context, *FINISH)
        assert world.seen() == smooth.seen()
        assert context.ledger.open() == []


# -- back from it ------------------------------------------------------------------------------------------------------


def later(world: World, context: MemoryContext, server_id: str, **parameters: Any) -> MemoryContext:
    """A job that restores or ends what the job of ``context`` has kept."""
    kept = tuple(line for line in context.ledger.lines if line.keep_until)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    source = Fallback(context.job.id, "project", server_id, "", "", now, now, kept, "own-port")
    told = {**restore.parameters(source, data_volumes=False, keep_days=7), **parameters}
    made = job(id="1a2b3c4d-5b1d-4a53-9a51-2f6f2d1c9b10", server_id=server_id, parameters=told)
    return MemoryContext(made, CloudDouble(world, admin=False), CloudDouble(world, admin=True))


def test_the_server_comes_back_from_the_image_and_both_fallbacks_end() -> None:
    world, context = updated()
    [server] = world.servers
    [kept] = [r.cloud_id for r in context.ledger.lines if r.keep_until]
    restoring = later(world, context, server)
    drive(restoring, *restore.METHOD.steps)
    [restored] = world.servers.values()
    assert (restored.image_id, restored.name, restored.tags) == (kept, "server", ("mine",))
    assert list(world.attached[restored.id]) == ["data-volume"]
    assert world.ports["own-port"].device_id == restored.id
    assert restoring.ledger.open() == []
    for keeper in (restoring, context):
        ending = later(world, keeper, restored.id)
        drive(ending, inspect_fallback.STEP, end_fallback.STEP)
        assert all(ending.ledger.ended.values())
    assert list(world.images) == ["debian"]


def test_a_restore_undone_before_its_pivot_leaves_all_as_it_was() -> None:
    world, context = updated()
    before, [server] = world.seen(), world.servers
    restoring = later(world, context, server)
    steps = restore.METHOD.steps[: [s.name for s in restore.METHOD.steps].index("retire")]
    drive(restoring, *steps)
    assert world.servers[server].status == "SHUTOFF"
    for step in reversed(steps):
        step.undo(restoring)
    assert world.seen() == before
    assert restoring.ledger.open() == []


def test_an_image_that_is_not_ours_any_more_is_left_alone() -> None:
    world, context = updated()
    [server] = world.servers
    [kept] = [r.cloud_id for r in context.ledger.lines if r.keep_until]
    world.images[kept] = replace(world.images[kept], metadata={})
    ending = later(world, context, server)
    drive(ending, inspect_fallback.STEP, end_fallback.STEP)
    assert ending.results["end_fallback"]["left"] == [kept]
    assert kept in world.images


def test_a_lock_does_not_matter_to_it(world: World, context: MemoryContext) -> None:
    context.run(lock.STEP)
    context.run(fallback.STEP)
    assert len(world.images) == 2
