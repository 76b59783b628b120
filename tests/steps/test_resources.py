"""What a job made is taken away once, however long the cloud takes over it."""

from dataclasses import replace
from typing import Any

import pytest

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.errors import LeaseLost, Retry
from liveupdate.model import Resource
from liveupdate.states import ResourceState
from liveupdate.steps import resources
from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.network import port
from liveupdate.testing.storage import volume

pytestmark = pytest.mark.usefixtures("impatient")


@pytest.mark.parametrize("kind", ["volume", "snapshot", "backup"])
def test_what_is_being_deleted_is_not_deleted_again(world: World, context: MemoryContext, kind: str) -> None:
    line = context.ledger.intend(kind, "twin", {})
    metadata = marks.metadata(line.job_id, line.role)
    world.backups = {}
    slow: dict[str, tuple[dict[str, Any], Any]] = {
        "volume": (world.volumes, volume("slow", name=line.name, metadata=metadata)),
        "snapshot": (world.snapshots, Snapshot("slow", line.name, "available", "volume", metadata)),
        "backup": (world.backups, Backup("slow", line.name, "available", "volume", 3, metadata)),
    }
    there, thing = slow[kind]
    there["slow"] = thing
    context.ledger.created(line, "slow")
    world.stuck["slow"] = "deleting"
    for _ in range(2):  # parked, and called again
        with pytest.raises(Retry) as waits:
            resources.unmake(context, kind, "twin")
        assert not waits.value.counts
    del there["slow"]
    resources.unmake(context, kind, "twin")
    assert context.ledger.open() == []


@pytest.mark.parametrize("kind", ["volume", "snapshot"])
def test_what_could_not_be_deleted_is_told_and_forced_the_next_time(
    world: World, context: MemoryContext, kind: str
) -> None:
    line = context.ledger.intend(kind, "twin", {})
    metadata = marks.metadata(line.job_id, line.role)
    if kind == "volume":
        world.volumes["bad"] = volume("bad", name=line.name, metadata=metadata)
    else:
        world.snapshots["bad"] = Snapshot("bad", line.name, "available", "volume", metadata)
    context.ledger.created(line, "bad")
    world.stuck["bad"] = "error_deleting"
    with pytest.raises(Retry, match=r"\(bad\) could not be deleted") as told:
        resources.unmake(context, kind, "twin")
    assert told.value.counts
    assert told.value.remedy
    resources.unmake(context, kind, "twin")
    assert context.ledger.open() == []


class TestAnOutlivedWorker:
    """It has made something, and may write no more: its successor has the job."""

    def outlived(self, context: MemoryContext) -> Resource:
        line = context.ledger.intend("port", "twin", {})

        def lost(write: str) -> None:
            if write == "created":
                raise LeaseLost(line.job_id)

        context.ledger.before = lost
        return line

    def ports(self, world: World) -> set[str]:
        return set(world.ports) - {"own-port"}

    def record(self, world: World, context: MemoryContext, line: Resource) -> None:
        world.ports["made"] = port("made", "10.0.0.77", name=line.name, description=marks.line(line.job_id, line.role))
        with pytest.raises(LeaseLost):
            resources.record(context, line, "made")

    def test_takes_away_what_its_successor_has_made_another_of(self, world: World, context: MemoryContext) -> None:
        line = self.outlived(context)
        context.ledger.lines[0] = replace(line, state=ResourceState.CREATED, cloud_id="another")
        self.record(world, context, line)
        assert self.ports(world) == set()

    def test_takes_away_what_its_successor_wants_no_more(self, world: World, context: MemoryContext) -> None:
        line = self.outlived(context)
        context.ledger.deleted(line)
        self.record(world, context, line)
        assert self.ports(world) == set()

    def test_leaves_what_its_successor_has_found(self, world: World, context: MemoryContext) -> None:
        line = self.outlived(context)
        context.ledger.lines[0] = replace(line, state=ResourceState.CREATED, cloud_id="made")
        self.record(world, context, line)
        assert self.ports(world) == {"made"}

    def test_leaves_what_its_successor_may_yet_find(self, world: World, context: MemoryContext) -> None:
        self.record(world, context, self.outlived(context))
        assert self.ports(world) == {"made"}
