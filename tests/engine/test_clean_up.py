"""Cleanup, as a specification: one undo that fails keeps no other from being tried; all that blocks is told."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from liveupdate.db import words
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import UNDO_ATTEMPTS, Runner
from liveupdate.errors import Failed
from liveupdate.model import Job, Plan
from liveupdate.states import JobState, StepState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import (
    PLAN,
    STEPS,
    accept,
    expire_lease,
    in_hold,
    look,
    make_due,
    say,
    surroundings,
    work_once,
)
from liveupdate.testing.steps import World, raising


class Killed(BaseException):
    """The worker dies here."""


def make_a_whale(context: StepContext) -> None:
    context.ledger.intend("whale", "big")


def work(engine: Engine, job_id: str, world: World, *blocked: str) -> None:
    """Until the job rests for good; the undo of the ``blocked`` steps fails whenever it is tried."""
    for _ in range(UNDO_ATTEMPTS * max(1, len(blocked))):
        for step in blocked:
            world.faults["undo", step] = raising(Failed(f"{step} is stuck", remedy=f"free {step}"))
        make_due(engine, job_id)
        work_once(engine, world)
    for step in blocked:
        world.faults.pop(("undo", step), None)


def stuck(engine: Engine, world: World, *blocked: str, plan: Plan = PLAN) -> str:
    """A job whose undo has failed, at the last of the ``blocked`` steps."""
    job_id = accept(engine, plan=plan)
    world.faults["apply", "open"] = raising(Failed("no"))
    work(engine, job_id, world, *blocked)
    assert look(engine, job_id)[0].state == JobState.UNDO_FAILED
    return job_id


def clean_up(engine: Engine, job_id: str) -> None:
    say(engine, job_id, words.clean_up, None)


def test_without_it_nothing_is_undone_past_an_undo_that_fails(sqlite: Engine) -> None:
    world = World()
    stuck(sqlite, world, "copy", "switch")
    assert world.done == ["prepare", "copy", "switch"]


def test_it_goes_on_with_the_other_steps_and_names_every_one_that_blocks(sqlite: Engine) -> None:
    world = World()
    job_id = stuck(sqlite, world, "copy", "switch")
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "copy", "switch")
    job, rows = look(sqlite, job_id)
    assert (job.state, world.done) == (JobState.UNDO_FAILED, ["copy", "switch"])
    assert {name: row.state for name, row in rows.items() if row.state != StepState.PENDING} == {
        "prepare": StepState.UNDONE,
        "copy": StepState.UNDO_FAILED,
        "switch": StepState.UNDO_FAILED,
        "open": StepState.UNDONE,
    }
    assert job.reason == "undo of step switch failed: switch is stuck; undo of step copy failed: copy is stuck"
    assert job.remedy == "free switch; free copy"


def test_it_can_be_asked_for_again_until_nothing_blocks(sqlite: Engine) -> None:
    world = World()
    job_id = stuck(sqlite, world, "copy", "switch")
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "copy", "switch")
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "copy")
    assert (look(sqlite, job_id)[0].reason, world.done) == ("undo of step copy failed: copy is stuck", ["copy"])
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, world.done) == (JobState.UNDONE, [])
    assert {row.state for row in rows.values()} == {StepState.UNDONE, StepState.PENDING}


@pytest.mark.parametrize("word", [words.retry, words.cancel])
def test_another_word_tries_what_blocked_it_anew(sqlite: Engine, word: Callable[..., Job]) -> None:
    world = World()
    job_id = stuck(sqlite, world, "copy")
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "copy")
    say(sqlite, job_id, word)
    work(sqlite, job_id, world)
    job, _ = look(sqlite, job_id)
    assert job.state == (JobState.UNDONE if word is words.retry else JobState.CANCELLED)
    assert world.done == []


def test_what_the_ledger_still_has_is_taken_away_or_named_with_the_rest(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "prepare"] = make_a_whale
    world.faults["apply", "open"] = raising(Failed("no"))
    work(sqlite, job_id, world, "copy")
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "copy")
    job, _ = look(sqlite, job_id)
    assert job.reason.startswith("undo of step copy failed: copy is stuck; left behind: whale liveupdate-")


def test_nothing_is_taken_away_while_it_is_in_doubt_where_the_workload_is(sqlite: Engine) -> None:
    """The undo of a step that touches it has failed: what was made before may be all that it has."""
    world, plan = World(), replace(PLAN, together=("switch", "open"))
    job_id = stuck(sqlite, world, "switch", plan=plan)
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world, "switch")
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason) == (JobState.UNDO_FAILED, "undo of step switch failed: switch is stuck")
    assert world.done == ["prepare", "copy", "switch"]
    clean_up(sqlite, job_id)
    work(sqlite, job_id, world)
    assert (look(sqlite, job_id)[0].state, world.done) == (JobState.UNDONE, [])


@pytest.mark.parametrize("dies", [("undo", "copy"), ("undo", "prepare"), ("undone", "prepare")])
def test_a_worker_that_dies_in_it_is_followed_by_one_that_goes_on(sqlite: Engine, dies: tuple[str, str]) -> None:
    world = World()
    job_id = stuck(sqlite, world, "copy")
    clean_up(sqlite, job_id)
    world.faults[dies] = raising(Killed())
    claimed, died = claim_next(sqlite, "worker", 60), 0
    while claimed:
        world.faults.setdefault(("undo", "copy"), raising(Failed("copy is stuck")))
        try:
            Runner(surroundings(), world.steps(*STEPS)).run(Journal(sqlite, claimed.claim, 60), claimed)
        except Killed:
            died += 1
            expire_lease(sqlite, job_id)
        make_due(sqlite, job_id)
        claimed = claim_next(sqlite, "worker", 60)
    job, _ = look(sqlite, job_id)
    assert (died, job.state, world.done) == (1, JobState.UNDO_FAILED, ["copy"])
    assert job.reason == "undo of step copy failed: copy is stuck"


def test_a_way_back_that_is_stuck_is_undone_in_order_only(sqlite: Engine) -> None:
    """The workload is somewhere on its way: what is in doubt is not passed over."""
    world, job_id = in_hold(sqlite)
    say(sqlite, job_id, words.decide, "rollback")
    world.faults["applied", "back.switch"] = raising(Failed("original is gone"))
    for _ in range(2):
        work(sqlite, job_id, world, "back.switch")
        job, rows = look(sqlite, job_id)
        assert (job.state, rows["back.copy"].state) == (JobState.UNDO_FAILED, StepState.DONE)
        clean_up(sqlite, job_id)
    work(sqlite, job_id, world)
    assert (look(sqlite, job_id)[0].state, world.done) == (JobState.SUCCEEDED, list(STEPS))
