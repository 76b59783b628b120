"""The fallback is what a power cut would leave, and a note for cloud-init; the guest keeps none of it."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.errors import Failed
from liveupdate.steps import fallback
from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble

NOTE = "/etc/cloud/cloud.cfg.d/98-liveupdate-fallback.cfg"


class Guest(GuestDouble):
    """``told``: what was run in it, beside what the cloud was asked for."""

    told: list[str]
    code = 0

    def run(self, argv: Sequence[str], **_: Any) -> SimpleNamespace:
        self.told.append(" ".join(argv))
        return SimpleNamespace(code=self.code, stdout="", stderr="")


@pytest.fixture
def told(world: World, context: MemoryContext) -> list[str]:
    guest = Guest()
    guest.told = []
    context.guests = {"original": guest}

    def strike(moment: str) -> None:
        guest.told.append(moment)

    world.strike = strike
    return guest.told


def test_the_note_is_in_the_guest_while_the_snapshot_is_taken_and_only_then(
    context: MemoryContext, told: list[str]
) -> None:
    fallback.STEP.apply(context)
    assert "manual_cache_clean: true" in told[0]
    assert f"sync {NOTE}" in told[0]
    assert told[1:] == ["before create_snapshot", "after create_snapshot", f"rm -f {NOTE}"]
    [line] = context.ledger.lines
    assert line.details["noted"] is True


def test_a_worker_that_dies_before_the_note_has_gone_is_followed_by_one_that_removes_it(
    context: MemoryContext, told: list[str]
) -> None:
    def die(write: str) -> None:
        if write == "ready":
            raise KeyboardInterrupt

    context.ledger.before = die
    with pytest.raises(KeyboardInterrupt):
        fallback.STEP.apply(context)
    assert not fallback.STEP.probe(context).done
    context.ledger.before = lambda write: None
    fallback.STEP.apply(context)
    assert told[-1] == f"rm -f {NOTE}"
    assert fallback.STEP.probe(context).done


def test_a_guest_without_cloud_init_is_no_trouble(context: MemoryContext, told: list[str]) -> None:
    context.guests["original"].code = 1
    fallback.STEP.apply(context)
    assert context.ledger.lines[0].details["noted"] is False


def test_the_note_goes_when_the_step_is_undone(context: MemoryContext, told: list[str]) -> None:
    fallback.STEP.undo(context)
    assert told == [f"rm -f {NOTE}"]


def test_the_guest_of_a_stopped_server_is_left_alone(context: MemoryContext, told: list[str]) -> None:
    del context.results["preflight"]["guest"]  # type: ignore[attr-defined]
    fallback.STEP.apply(context)
    assert told == ["before create_snapshot", "after create_snapshot"]


def test_data_volumes_are_taken_where_that_is_asked_for(world: World, context: MemoryContext) -> None:
    context.job = job(parameters={"fallback_data_volumes": True})
    result = fallback.STEP.apply(context)
    assert [taken["volume_id"] for taken in result["taken"]] == ["root-volume", "data-volume"]
    assert sorted(s.volume_id for s in world.snapshots.values()) == ["data-volume", "root-volume"]


def test_a_copy_that_cinder_gave_up_fails_the_step(world: World, context: MemoryContext) -> None:
    context.job = job(parameters={"fallback": "backup"})
    world.backups = {}
    fallback.STEP.apply(context)
    [made] = world.backups.values()
    world.backups[made.id] = type(made)(made.id, made.name, "error", made.volume_id, made.size, made.metadata)
    with pytest.raises(Failed) as told:
        fallback.STEP.apply(context)
    assert not world.snapshots
    assert (told.value.code, told.value.remedy) == ("live-update.backup.failed", "see the log of cinder-backup")
