"""The engine under any order of claims, crashes, freezes, failures, waits and requests.

Hypothesis plays the cloud, the workers' fate and the users; after every move the engine's promises are checked.
"""

from collections.abc import Callable, Mapping
from functools import cache

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import Connection, Engine, delete

from liveupdate.db import tables, words
from liveupdate.db.session import open_engine, write
from liveupdate.engine.claim import Claimed, claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import Runner
from liveupdate.errors import Conflict, Failed, LeaseLost, Retry, Unknown
from liveupdate.model import Job, StepRow
from liveupdate.states import FINAL, STUCK, JobState, StepState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import PLAN, STEPS, accept, expire_lease, look, make_due, say, surroundings
from liveupdate.testing.steps import World

_BACK = [spec.id for spec in PLAN.back]
_FORWARD = [spec.id for spec in PLAN.steps]

Rows = Mapping[str, StepRow]


class Killed(BaseException):
    """The worker dies here: nothing of its code runs any more."""


def _kill(_: StepContext) -> None:
    raise Killed


def _fail(_: StepContext) -> None:
    raise Failed("failed")


def _wait(_: StepContext) -> None:
    raise Retry(3600, "waits", counts=False)


def _lose_the_answer(_: StepContext) -> None:
    raise Unknown("no answer")


_FAULTS = {"kill": _kill, "fail": _fail, "wait": _wait, "unknown": _lose_the_answer}


@cache
def _database() -> Engine:
    """One for all: to make it, and the SQL for it, takes longer than to play."""
    engine = open_engine("sqlite://")
    tables.metadata.create_all(engine)
    return engine


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = _database()
        self.world = World()
        self.job_id = accept(self.engine)
        self.frozen: list[Claimed] = []
        self.fences: list[int] = []
        #: Steps whose undo has failed: cleanup goes on without them.
        self.passed_over: set[str] = set()

    def teardown(self) -> None:
        write(self.engine, lambda connection: connection.execute(delete(tables.jobs)))

    @rule(
        call=st.sampled_from(["apply", "applied", "undo", "undone"]),
        step=st.sampled_from([*_FORWARD, *_BACK]),
        fault=st.sampled_from(sorted(_FAULTS)),
    )
    def strike(self, call: str, step: str, fault: str) -> None:
        self.world.faults[call, step] = _FAULTS[fault]

    @rule(call=st.sampled_from(["applied", "undone"]), step=st.sampled_from([*_FORWARD, *_BACK]))
    def freeze(self, call: str, step: str) -> None:
        """Somewhere in this step the worker stands still; its lease runs out; another takes over; then it wakes."""

        def frozen(_: StepContext) -> None:
            expire_lease(self.engine, self.job_id)
            self.work()
            self.left = look(self.engine, self.job_id), list(self.world.log)

        self.world.faults[call, step] = frozen

    @rule()
    def clear_the_sky(self) -> None:
        self.world.faults.clear()

    @rule()
    def work(self) -> None:
        make_due(self.engine, self.job_id)
        claimed = claim_next(self.engine, f"worker-{len(self.fences)}", 60)
        if claimed is None:
            return
        self.fences.append(claimed.claim.fence)
        try:
            self.drive(claimed)
        except Killed:
            self.frozen.append(claimed)
        except LeaseLost:
            # it was frozen: since its successor went on, it has changed nothing
            assert (look(self.engine, self.job_id), self.world.log) == self.left

    def drive(self, claimed: Claimed) -> None:
        Runner(surroundings(), self.world.steps(*STEPS)).run(Journal(self.engine, claimed.claim, 60), claimed)

    @precondition(lambda self: self.frozen)
    @rule()
    def a_lease_runs_out(self) -> None:
        expire_lease(self.engine, self.job_id)

    @precondition(lambda self: self.frozen and self.fences[-1] != self.frozen[0].claim.fence)
    @rule()
    def an_outlived_worker_wakes(self) -> None:
        """It had the job before another took it over: whatever it tries, nothing changes."""
        before, log = look(self.engine, self.job_id), list(self.world.log)
        with pytest.raises(LeaseLost):
            self.drive(self.frozen[0])
        assert (look(self.engine, self.job_id), self.world.log) == (before, log)

    @rule()
    def retry(self) -> None:
        state = look(self.engine, self.job_id)[0].state
        try:
            say(self.engine, self.job_id, words.retry)
        except Conflict:
            assert state not in STUCK
        else:
            assert state in STUCK

    @rule()
    def cancel(self) -> None:
        try:
            say(self.engine, self.job_id, words.cancel)
        except Conflict:
            job, rows = look(self.engine, self.job_id)
            assert job.state in FINAL or rows["open"].state in (StepState.APPLYING, StepState.DONE)
        else:
            job, rows = look(self.engine, self.job_id)
            assert job.outcome or rows["open"].state == StepState.PENDING

    @rule()
    def roll_back(self) -> None:
        try:
            say(self.engine, self.job_id, words.decide, "rollback")
        except Conflict:
            job, rows = look(self.engine, self.job_id)
            assert job.state in FINAL or rows["open"].state != StepState.DONE or rows["tidy"].state != StepState.PENDING

    @rule(word=st.sampled_from([words.pause, words.resume]))
    def rest(self, word: Callable[[Connection, Job], Job]) -> None:
        before = look(self.engine, self.job_id)[0]
        try:
            say(self.engine, self.job_id, word)
        except Conflict:
            assert look(self.engine, self.job_id)[0] == before
        else:
            assert look(self.engine, self.job_id)[0].paused == (word is words.pause)

    @rule()
    def clean_up(self) -> None:
        """It ends where the job can: nothing is undone past the pivot, nothing goes forward before it. Asked for again,
        while it is at it or has done it, it changes nothing.
        """
        before = look(self.engine, self.job_id)[0]
        try:
            say(self.engine, self.job_id, words.clean_up, None)
        except Conflict:
            assert before.state not in STUCK
        else:
            job, rows = look(self.engine, self.job_id)
            if before.state not in STUCK:
                assert job == before
                return
            forward = rows["open"].state in (StepState.APPLYING, StepState.DONE) and not before.outcome
            assert (job.state == JobState.RUNNING) == forward

    @invariant()
    def all_that_is_promised_is_so(self) -> None:
        job, rows = look(self.engine, self.job_id)
        self.every_undo_that_failed_is_told(job, rows)
        self.undo_is_the_reverse_of_done(rows)
        self.an_end_is_whole(job, rows)
        self.a_recorded_step_is_in_force(job, rows)

    def every_undo_that_failed_is_told(self, job: Job, rows: Rows) -> None:
        if job.state == JobState.UNDO_FAILED:
            assert all(name in job.reason for name, row in rows.items() if row.state == StepState.UNDO_FAILED)

    @invariant()
    def fences_only_grow(self) -> None:
        assert self.fences == sorted(set(self.fences))

    def undo_is_the_reverse_of_done(self, rows: Rows) -> None:
        failed = {name for name, row in rows.items() if row.state == StepState.UNDO_FAILED}
        self.passed_over |= failed
        in_force: list[str] = []
        for call, step in self.world.log:
            if call == "apply":
                assert step not in in_force, f"{step} was applied twice"
                in_force.append(step)
                continue
            tail = _BACK if step in _BACK else [s for s in _FORWARD if s == step or s not in self.passed_over]
            assert [s for s in in_force if s in tail][-1] == step, f"{step} was undone out of order"
            in_force.remove(step)
        assert in_force == self.world.done

    @invariant()
    def steps_are_applied_in_the_order_of_the_plan(self) -> None:
        forward = [s for s in self.world.done if s in _FORWARD]
        assert forward == _FORWARD[: len(forward)]

    @invariant()
    def nothing_crosses_the_pivot(self) -> None:
        """Once open, forward steps are undone only after the whole way back is in force."""
        in_force: set[str] = set()
        for call, step in self.world.log:
            if call == "undo" and step in _FORWARD and "open" in in_force:
                assert "back.open" in in_force
            if call == "apply":
                in_force.add(step)
            elif step in _BACK:
                in_force.discard(step)

    def an_end_is_whole(self, job: Job, rows: Rows) -> None:
        forward = [s for s in self.world.done if s in _FORWARD]
        if job.state == JobState.SUCCEEDED:
            assert forward == _FORWARD
            assert all(rows[s].state == StepState.DONE for s in _FORWARD)
        if job.state in (JobState.UNDONE, JobState.CANCELLED):
            assert forward == []

    def a_recorded_step_is_in_force(self, job: Job, rows: Rows) -> None:
        """The journal never claims what the world does not have."""
        if job.state == JobState.UNDOING or job.state in FINAL:
            return
        recorded = [s for s in _FORWARD if rows[s].state == StepState.DONE]
        assert set(recorded) <= set(self.world.done)


Machine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestMachine = Machine.TestCase
