"""What a job made is taken away once, however long the cloud takes over it."""

from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.errors import Retry
from liveupdate.steps import resources
from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.storage import volume


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = count()
    clock = SimpleNamespace(monotonic=lambda: next(seconds), sleep=lambda for_seconds: None)
    monkeypatch.setattr(resources, "time", clock)


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
