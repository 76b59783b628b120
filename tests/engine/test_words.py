"""What a job does when somebody says to cancel it, to try again, or to go back."""

import pytest
from sqlalchemy import Engine

from liveupdate.db import words
from liveupdate.engine.runner import MAX_DEATHS, UNDO_ATTEMPTS
from liveupdate.errors import Conflict, Failed, Retry
from liveupdate.states import JobState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import STEPS, accept, expire_lease, in_hold, look, make_due, say, work_once
from liveupdate.testing.steps import World, raising, wait_forever


def test_a_job_that_is_cancelled_in_trouble_is_not_undone_for_that(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "copy"] = raising(Retry(3600, "no answer", code="live-update.test.silent", remedy="look"))
    work_once(sqlite, world)
    say(sqlite, job_id, words.cancel)
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason, job.code, job.remedy) == (JobState.CANCELLED, "cancelled on request", "", "")


def test_cancel_while_waiting_undoes_at_once(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "switch"] = raising(Retry(3600, "waits"))
    work_once(sqlite, world)
    say(sqlite, job_id, words.cancel)
    say(sqlite, job_id, words.cancel)
    assert work_once(sqlite, world) == job_id
    assert look(sqlite, job_id)[0].state == JobState.CANCELLED
    assert world.done == []


def test_cancel_in_the_middle_of_a_step_is_seen_at_its_checkpoint(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)

    def asked(context: StepContext) -> None:
        say(sqlite, job_id, words.cancel)
        context.checkpoint()

    world.faults["applied", "copy"] = asked
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.CANCELLED
    assert world.done == []


def test_cancel_after_the_pivot_is_refused_and_names_the_state(sqlite: Engine) -> None:
    _, job_id = in_hold(sqlite)
    with pytest.raises(Conflict, match="waiting and past its pivot"):
        say(sqlite, job_id, words.cancel)


def test_rollback_in_hold_moves_back_then_undoes_every_step(sqlite: Engine) -> None:
    world, job_id = in_hold(sqlite)
    say(sqlite, job_id, words.decide, "rollback")
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason) == (JobState.UNDONE, "moved back to the original on request")
    back = [("apply", "back.copy"), ("apply", "back.switch"), ("apply", "back.open")]
    assert world.log[4:7] == back
    assert world.log[7:] == [("undo", name) for name in ("open", "switch", "copy", "prepare")]


def test_a_move_back_that_fails_leaves_the_job_in_hold_and_can_be_asked_again(sqlite: Engine) -> None:
    world, job_id = in_hold(sqlite)
    say(sqlite, job_id, words.decide, "rollback")
    world.faults["apply", "back.switch"] = raising(Failed("original is gone"))
    world.faults["apply", "hold"] = wait_forever
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.step, job.decision, job.outcome) == (JobState.WAITING, "hold", "", "")
    assert world.done == ["prepare", "copy", "switch", "open"]
    assert (job.reason, job.code, job.remedy) == ("waits for the operator", "", "")
    say(sqlite, job_id, words.decide, "rollback")
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason) == (JobState.UNDONE, "moved back to the original on request")


def test_rollback_after_the_release_is_refused(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    work_once(sqlite, world)
    with pytest.raises(Conflict, match="succeeded"):
        say(sqlite, job_id, words.decide, "rollback")


def test_a_job_that_killed_its_workers_can_be_cancelled(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    for _ in range(MAX_DEATHS):
        world.faults["applied", "copy"] = raising(SystemExit())
        world.faults["probe", "copy"] = raising(SystemExit())
        with pytest.raises(SystemExit):
            work_once(sqlite, world)
        expire_lease(sqlite, job_id)
    world.faults.clear()
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.NEEDS_ATTENTION
    say(sqlite, job_id, words.cancel)
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.CANCELLED
    assert world.done == []


def test_a_job_stuck_after_the_pivot_goes_on_when_it_is_retried(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    with pytest.raises(Conflict, match="queued and cannot be retried"):
        say(sqlite, job_id, words.retry)
    world.faults["apply", "tidy"] = raising(Failed("stuck", remedy="free it"))
    work_once(sqlite, world)
    with pytest.raises(Conflict, match="past its pivot"):
        say(sqlite, job_id, words.cancel)
    say(sqlite, job_id, words.retry)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason, job.remedy) == (JobState.RUNNING, "", "")
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED


def test_a_way_back_whose_undo_failed_is_retried_to_hold_and_never_undone_past_the_pivot(sqlite: Engine) -> None:
    world, job_id = in_hold(sqlite)
    say(sqlite, job_id, words.decide, "rollback")
    world.faults["apply", "back.switch"] = raising(Failed("original is gone"))
    for _ in range(UNDO_ATTEMPTS):
        world.faults["undo", "back.copy"] = raising(Failed("no answer"))
        make_due(sqlite, job_id)
        work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.UNDO_FAILED
    with pytest.raises(Conflict, match="past its pivot"):
        say(sqlite, job_id, words.cancel)
    say(sqlite, job_id, words.retry)
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED
    assert world.done == list(STEPS)


def test_a_word_said_while_a_step_decides_to_wait_wakes_the_job_at_once(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)

    def said_too_late_for_the_step(_: StepContext) -> None:
        say(sqlite, job_id, words.decide, "rollback")
        raise Retry(3600, "waits for the operator", counts=False)

    world.faults["apply", "hold"] = said_too_late_for_the_step
    work_once(sqlite, world)
    assert work_once(sqlite, world) == job_id
    assert look(sqlite, job_id)[0].state == JobState.UNDONE
