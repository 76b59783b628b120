"""Drives one claimed job, step by step, until it ends, is parked, or belongs to somebody else."""

import logging
from collections.abc import Mapping, Sequence
from threading import Event as Flag

from liveupdate.engine import course
from liveupdate.engine.context import Context, Surroundings
from liveupdate.engine.journal import Claimed, Journal
from liveupdate.errors import Cancelled, Failed, LiveUpdateError, Retry, Unknown
from liveupdate.model import Job, StepRow
from liveupdate.states import JobState, StepState
from liveupdate.steps.protocol import Probe, Step

LOG = logging.getLogger(__name__)

#: A job that outlived so many workers without progress is not given to another.
MAX_DEATHS = 3
#: Calls of one undo that may fail.
UNDO_ATTEMPTS = 5
#: Seconds until a call that failed unforeseen is repeated, doubled each time.
_BACKOFF = 2.0


class Parked(Exception):
    """The job was given back; this worker is through with it for now."""


class Runner:
    """``steps``: every step this worker has, by name. ``stopping`` set: give the job back at the next boundary."""

    def __init__(self, surroundings: Surroundings, steps: Mapping[str, Step], stopping: Flag | None = None) -> None:
        self._surroundings = surroundings
        self._steps = steps
        self._stopping = stopping or Flag()

    def run(self, journal: Journal, claimed: Claimed) -> None:
        """Raises LeaseLost when another worker took the job over; every other end is in the journal."""
        job, rows = journal.load()
        if missing := sorted({r.spec.step for r in rows} - set(self._steps)):
            LOG.warning("job %s needs steps this worker lacks: %s", job.id, ", ".join(missing))
            journal.park(30, f"waits for a worker that has: {', '.join(missing)}")
            return
        if claimed.deaths >= MAX_DEATHS:
            journal.begin()
            journal.stop(JobState.NEEDS_ATTENTION, _deadly(job, claimed.deaths))
            return
        journal.begin()
        try:
            while self._next(journal):
                if self._stopping.is_set():
                    journal.release()
                    return
        except Parked:
            return

    def _next(self, journal: Journal) -> bool:
        """Take one action; False once the job rests."""
        job, rows = journal.load()
        action = course.next_action(job, rows)
        match action:
            case course.Apply(row):
                self._apply(journal, job, rows, row)
            case course.Undo(row):
                self._undo(journal, job, rows, row)
            case course.TurnBack(outcome, reason):
                journal.turn_back(outcome, reason)
            case course.MoveBack():
                journal.move_back()
            case course.Rest(state):
                journal.rest(state)
                return state == JobState.RUNNING
        return True

    # -- forward ---------------------------------------------------------------------------------------------------

    def _apply(self, journal: Journal, job: Job, rows: Sequence[StepRow], row: StepRow) -> None:
        step = self._steps[row.spec.step]
        context = Context(self._surroundings, journal, job, rows, row)
        resumed = row.state == StepState.APPLYING
        if not resumed:
            journal.step_applying(row)
            row = self._reload(journal, row)
        try:
            if resumed and (seen := self._probe(step, context)).done:
                journal.step_done(row, seen.result)
                return
            if expired(job, row, step):
                raise Failed(
                    f"step {row.spec.id} took longer than {step.timeout:.0f} s", code="live-update.step.timeout"
                )
            journal.step_done(row, step.apply(context))
        except Cancelled:
            journal.turn_back("cancelled", "cancelled on request")
        except Retry as retry:
            self._retry(journal, job, rows, row, step, retry)
        except Failed as failed:
            self._failed(journal, job, rows, row, step, context, failed)
        except Exception as error:
            self._unforeseen(journal, job, rows, row, step, context, error)

    def _retry(
        self, journal: Journal, job: Job, rows: Sequence[StepRow], row: StepRow, step: Step, retry: Retry
    ) -> None:
        if retry.counts:
            if row.attempts + 1 >= step.attempts:
                failed = Failed(f"{retry.detail} (after {step.attempts} attempts)", code=retry.code)
                context = Context(self._surroundings, journal, job, rows, row)
                self._failed(journal, job, rows, row, step, context, failed)
                return
            journal.step_tried(row, retry)
        journal.park(retry.after, retry.detail, retry.watch)
        raise Parked

    def _failed(
        self,
        journal: Journal,
        job: Job,
        rows: Sequence[StepRow],
        row: StepRow,
        step: Step,
        context: Context,
        failed: LiveUpdateError,
    ) -> None:
        """The step cannot be done. A pivot that failed is looked at once more: it decides what may be undone."""
        if row.spec.id in (job.plan.pivot, job.plan.back_pivot):
            seen = self._probe_or_stop(journal, step, context)
            if seen.done:
                journal.step_done(row, seen.result)
                return
        journal.step_failed(row, failed)
        outcome = course.undo_after_failure(job, rows, row)
        if outcome is None:
            journal.stop(JobState.NEEDS_ATTENTION, failed)
            raise Parked
        journal.turn_back(outcome, failed.detail, failed)

    def _unforeseen(
        self,
        journal: Journal,
        job: Job,
        rows: Sequence[StepRow],
        row: StepRow,
        step: Step,
        context: Context,
        error: Exception,
    ) -> None:
        """Nobody knows whether it happened: probe decides; what did not happen is tried again, a few times."""
        told = as_told(error)
        LOG.warning("job %s step %s: %s", job.id, row.spec.id, told.detail, exc_info=not isinstance(error, Unknown))
        seen = self._probe_or_stop(journal, step, context)
        if seen.done:
            journal.step_done(row, seen.result)
            return
        tries = step.attempts if isinstance(error, LiveUpdateError) else min(2, step.attempts)
        if row.attempts + 1 >= tries:
            self._failed(journal, job, rows, row, step, context, told)
            return
        journal.step_tried(row, told)
        journal.park(_BACKOFF * 2**row.attempts, told.detail)
        raise Parked

    def _probe(self, step: Step, context: Context) -> Probe:
        return step.probe(context)

    def _probe_or_stop(self, journal: Journal, step: Step, context: Context) -> Probe:
        """Probe after a doubtful call; a probe that cannot tell ends the job's own efforts: never a guess."""
        try:
            return self._probe(step, context)
        except Retry as retry:
            journal.park(retry.after, retry.detail, retry.watch)
            raise Parked from None
        except Exception as error:
            told = as_told(error)
            doubt = LiveUpdateError(
                f"cannot tell whether step {step.name} happened: {told.detail}",
                code="live-update.step.in-doubt",
                remedy=told.remedy or "see to the cause, then retry or cancel the job",
            )
            journal.stop(JobState.NEEDS_ATTENTION, doubt)
            raise Parked from error

    # -- back ------------------------------------------------------------------------------------------------------

    def _undo(self, journal: Journal, job: Job, rows: Sequence[StepRow], row: StepRow) -> None:
        step = self._steps[row.spec.step]
        if row.state != StepState.UNDOING:
            journal.step_undoing(row)
            row = self._reload(journal, row)
        try:
            step.undo(Context(self._surroundings, journal, job, rows, row))
        except Exception as error:
            told = as_told(error)
            waits = isinstance(error, Retry)
            if not waits:
                LOG.warning("job %s undo of %s: %s", job.id, row.spec.id, told.detail, exc_info=True)
            if isinstance(error, Retry) and not error.counts:
                journal.park(error.after, error.detail, error.watch)
                raise Parked from None
            if row.attempts + 1 >= UNDO_ATTEMPTS:
                journal.step_undo_failed(row, told)
                journal.stop(JobState.UNDO_FAILED, _undo_failed(row, told))
                raise Parked from None
            journal.step_tried(row, told)
            journal.park(error.after if isinstance(error, Retry) else _BACKOFF * 2**row.attempts, told.detail)
            raise Parked from None
        journal.step_undone(row)

    def _reload(self, journal: Journal, row: StepRow) -> StepRow:
        _, rows = journal.load()
        return next(r for r in rows if r.position == row.position)


def expired(job: Job, row: StepRow, step: Step) -> bool:
    """By the database's clock: the job's last write against the step's first."""
    return row.started_at is not None and (job.updated_at - row.started_at).total_seconds() > step.timeout


def as_told(error: Exception) -> LiveUpdateError:
    """What is shown of an error: our own as it is, another's by its type and first line, bounded."""
    if isinstance(error, LiveUpdateError):
        return error
    lines = str(error).splitlines() or [""]
    return Failed(f"{type(error).__name__}: {lines[0][:300]}", code="live-update.step.unforeseen")


def _deadly(job: Job, deaths: int) -> LiveUpdateError:
    return LiveUpdateError(
        f"{deaths} workers died at step {job.step or 'start'} of this job",
        code="live-update.job.kills-workers",
        remedy="look at the workers' logs; then cancel the job, which undoes it",
    )


def _undo_failed(row: StepRow, told: LiveUpdateError) -> LiveUpdateError:
    return LiveUpdateError(
        f"undo of step {row.spec.id} failed: {told.detail}",
        code=told.code,
        remedy=told.remedy or "see the job's resources for what is left; see to the cause, then cancel the job again",
    )
