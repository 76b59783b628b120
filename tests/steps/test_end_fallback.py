"""A fallback ends: what is ours goes, what is in use or not ours stays, and the ledger says what became of it."""

from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.states import ResourceState
from liveupdate.steps import end_fallback, inspect_fallback
from liveupdate.testing.cloud import CloudDouble, World
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.fallbacks import put, with_fallback
from tests.steps.crashes import crashes

KEEPER = "7a1b0c9d-0000-4000-8000-000000000001"
NOTHING = {"size": 3, "type": "ceph", "boot": True, "volume_id": "", "dies": True}


def part(line: int, kind: str, role: str, cloud_id: str, **changes: Any) -> dict[str, Any]:
    told = {"line": line, "job_id": KEEPER, "kind": kind, "role": role, "cloud_id": cloud_id}
    return {**NOTHING, **told, "name": f"liveupdate-{KEEPER[:8]}-{role}", **changes}


SNAPSHOT = part(1, "snapshot", "fallback", "snapshot")
VOLUME = part(2, "volume", "fallback", "old-volume")


def over(*parts: dict[str, Any]) -> tuple[World, MemoryContext]:
    world = with_fallback(KEEPER)
    parameters = {"fallback_id": KEEPER, "parts": list(parts or (SNAPSHOT, VOLUME))}
    # nobody stands behind it: there is no user's cloud to work in
    return world, MemoryContext(job(parameters=parameters, trust_id=""), None, CloudDouble(world, admin=True))


def end(context: MemoryContext) -> None:
    context.run(inspect_fallback.STEP)
    context.run(end_fallback.STEP)


def test_snapshot_and_old_volume_are_deleted_and_their_lines_closed() -> None:
    world, context = over()
    end(context)
    assert "snapshot" not in world.snapshots
    assert "old-volume" not in world.volumes
    assert context.ledger.ended == {1: True, 2: True}
    assert [(r.kind, r.state) for r in context.ledger.lines] == [
        ("snapshot", ResourceState.DELETED),
        ("volume", ResourceState.DELETED),
    ]
    assert context.results["end_fallback"] == {"deleted": ["snapshot", "old-volume"], "left": []}


def test_nothing_else_is_touched() -> None:
    world, context = over()
    before = world.seen()
    end(context)
    after = world.seen()
    del before["snapshots"]["snapshot"], before["volumes"]["old-volume"]
    assert after == before


def test_a_backup_goes_as_a_snapshot_does() -> None:
    world, context = over(part(1, "backup", "fallback", "backup"), VOLUME)
    put(world, KEEPER, "backup", "fallback", "backup", "old-volume")
    del world.snapshots["snapshot"]
    end(context)
    assert world.backups == {}
    assert "old-volume" not in world.volumes


def test_an_old_volume_that_was_to_outlive_its_server_stays_with_its_owner() -> None:
    world, context = over(SNAPSHOT, {**VOLUME, "dies": False})
    end(context)
    assert "old-volume" in world.volumes
    assert context.ledger.ended == {1: True, 2: False}


@pytest.mark.parametrize("mark", [{}, {"liveupdate:job": "another", "liveupdate:role": "fallback"}])
def test_what_does_not_bear_our_mark_is_left_alone_and_told(mark: dict[str, str]) -> None:
    world, context = over()
    world.volumes["old-volume"] = replace(world.volumes["old-volume"], metadata=mark)
    end(context)
    assert "old-volume" in world.volumes
    assert context.ledger.ended == {1: True, 2: False}
    assert [kind for kind, _ in context.events] == ["fallback.left"]


def test_what_is_gone_already_is_no_trouble() -> None:
    world, context = over()
    world.snapshots.clear()
    del world.volumes["old-volume"]
    end(context)
    assert context.ledger.ended == {1: True, 2: True}
    assert context.ledger.open() == []


def test_an_old_volume_in_use_stops_it_before_anything_is_deleted() -> None:
    world, context = over()
    CloudDouble(world, admin=True).servers.attach_volume("updated", "old-volume")
    before = world.seen()
    with pytest.raises(Failed) as told:
        inspect_fallback.STEP.apply(context)
    assert told.value.code == "live-update.fallback.in-use"
    assert "updated" in told.value.detail
    assert told.value.remedy
    assert world.seen() == before


def test_snapshots_that_others_took_of_the_old_volume_stop_it_too() -> None:
    world, context = over()
    put(world, "another", "snapshot", "mine", "precious", "old-volume")
    with pytest.raises(Failed, match="precious"):
        inspect_fallback.STEP.apply(context)
    assert "snapshot" in world.snapshots


def test_what_cinder_left_in_error_deleting_is_forced_at_the_next_try() -> None:
    world, context = over()
    world.stuck["snapshot"] = "error_deleting"
    with pytest.raises(Retry) as told:
        end(context)
    assert told.value.counts
    assert "error_deleting" in told.value.detail
    end(context)
    assert "snapshot" not in world.snapshots
    assert context.ledger.open() == []


def test_a_snapshot_that_volumes_depend_on_is_named_and_tried_again_a_few_times() -> None:
    world, context = over()
    world.stuck["snapshot"] = "available"
    with pytest.raises(Retry) as told:
        end(context)
    assert (told.value.counts, told.value.code) == (True, "live-update.fallback.not-deleted")
    assert "depend on it" in told.value.detail
    # the volume has not been tried: it would be refused for its snapshot
    assert "old-volume" in world.volumes
    assert context.ledger.ended == {}


def test_any_crash_on_the_way_ends_in_the_same() -> None:
    smooth, straight = over()
    end(straight)
    for world, context in crashes(over, end, least=11):
        end(context)
        assert world.seen() == smooth.seen()
        assert context.ledger.open() == []
        assert context.ledger.ended == {1: True, 2: True}
