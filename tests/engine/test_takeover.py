"""What a job does when its worker dies, freezes, or cannot go on: another one does."""

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from liveupdate.db import events, words
from liveupdate.db.session import read
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import MAX_DEATHS, Runner
from liveupdate.errors import Conflict, LeaseLost
from liveupdate.states import JobState, StepState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import STEPS, accept, expire_lease, look, make_due, say, surroundings, work_once
from liveupdate.testing.steps import World, raising

FORWARD = [("apply", name) for name in STEPS]


def test_a_worker_killed_in_a_step_is_followed_by_one_that_does_not_repeat_it(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "copy"] = raising(SystemExit())
    with pytest.raises(SystemExit):
        work_once(sqlite, world, "first")
    assert work_once(sqlite, world, "second") is None
    expire_lease(sqlite, job_id)
    assert work_once(sqlite, world, "second") == job_id
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED
    assert world.log == FORWARD
    with read(sqlite) as connection:
        assert "lease.taken_over" in [e.type for e in events.of_job(connection, job_id)]


@pytest.mark.parametrize("call", ["apply", "applied"])
def test_a_database_that_goes_away_in_a_step_says_nothing_about_the_step(sqlite: Engine, call: str) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults[call, "copy"] = raising(OperationalError("", {}, Exception("server closed the connection")))
    with pytest.raises(OperationalError):
        work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, rows["copy"].state, rows["copy"].attempts) == (JobState.RUNNING, StepState.APPLYING, 0)
    expire_lease(sqlite, job_id)
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED
    assert world.log == FORWARD


def test_a_worker_frozen_past_its_lease_writes_nothing_and_starts_nothing(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    claimed = claim_next(sqlite, "frozen", 60)
    assert claimed is not None
    journal = Journal(sqlite, claimed.claim, 60)
    journal.next()
    expire_lease(sqlite, job_id)
    before = look(sqlite, job_id)
    with pytest.raises(LeaseLost):
        Runner(surroundings(), world.steps(*STEPS)).run(journal, claimed)
    assert look(sqlite, job_id) == before
    assert world.log == []
    assert claimed.claim.lost.is_set()


def test_a_job_that_keeps_killing_its_workers_needs_attention(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    for number in range(MAX_DEATHS):
        world.faults["apply", "prepare"] = raising(SystemExit())
        with pytest.raises(SystemExit):
            work_once(sqlite, world, f"worker-{number}")
        expire_lease(sqlite, job_id)
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.code) == (JobState.NEEDS_ATTENTION, "live-update.job.kills-workers")


def test_a_pivot_in_doubt_is_looked_at_before_anything_else(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "open"] = raising(SystemExit())
    with pytest.raises(SystemExit):
        work_once(sqlite, world)
    with pytest.raises(Conflict, match="past its pivot"):
        say(sqlite, job_id, words.cancel)
    expire_lease(sqlite, job_id)
    work_once(sqlite, world)
    assert world.log == FORWARD
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED


def test_a_frozen_worker_learns_at_its_next_checkpoint_that_it_was_replaced(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)

    def frozen(context: StepContext) -> None:
        expire_lease(sqlite, job_id)
        work_once(sqlite, world, "second")
        context.checkpoint()

    world.faults["apply", "copy"] = frozen
    with pytest.raises(LeaseLost):
        work_once(sqlite, world, "first")
    assert world.log == FORWARD


def test_a_worker_that_lacks_a_step_leaves_the_job_to_others(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    work_once(sqlite, world, steps=STEPS[:3])
    assert world.log == []
    assert look(sqlite, job_id)[0].reason == "waits for a worker that has: hold, open, tidy"
    make_due(sqlite, job_id)
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED
