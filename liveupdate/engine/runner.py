"""Drives one claimed job, step by step, until it ends, is parked, or belongs to somebody else."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Event as Flag
from typing import NoReturn

from liveupdate import lease, logs, waiting
from liveupdate.db.session import AWAY
from liveupdate.engine import course
from liveupdate.engine.claim import Claimed
from liveupdate.engine.context import Context, Surroundings
from liveupdate.engine.journal import Journal
from liveupdate.engine.tracing import traced
from liveupdate.engine.turns import Settled, Turn
from liveupdate.errors import Cancelled, Failed, LiveUpdateError, Lost, Retry
from liveupdate.model import Job, Json, Resource, StepRow
from liveupdate.states import JobState, StepState
from liveupdate.steps.gone import by_its_owner
from liveupdate.steps.protocol import Probe, Step
from liveupdate.steps.resources import take_all_away

LOG = logging.getLogger(__name__)

#: A job that outlived so many workers without progress is not given to another.
MAX_DEATHS = 3
DEADLY = "live-update.job.kills-workers"
UNFORESEEN = "live-update.step.unforeseen"
#: Calls of one undo that may fail.
UNDO_ATTEMPTS = 5
#: Seconds until a call that failed unforeseen is repeated, doubled each time.
_BACKOFF = 2.0
#: The remedy where an error has none.
_SEE = "see to what keeps it from being done; then retry the job, or create it again"


class Parked(Exception):
    """The job was given back; this worker is through with it for now."""


@dataclass(frozen=True)
class Call:
    """One step of one job, at hand. ``row`` and ``job`` are as they were when it was decided."""

    journal: Journal
    job: Job
    rows: Sequence[StepRow]
    row: StepRow
    step: Step
    context: Context

    def park(self, after: float, error: LiveUpdateError) -> NoReturn:
        self.journal.park(self.job, after, error)
        raise Parked

    def stop(self, state: JobState, error: LiveUpdateError) -> NoReturn:
        self.journal.stop(state, error)
        raise Parked


class Runner:
    """``steps``: every step this worker has, by name. ``stopping`` set: give the job back at the next boundary."""

    def __init__(self, surroundings: Surroundings, steps: Mapping[str, Step], stopping: Flag | None = None) -> None:
        self._surroundings = surroundings
        self._steps = steps
        self._stopping = stopping or Flag()

    def run(self, journal: Journal, claimed: Claimed) -> None:
        """Raises LeaseLost when another worker took the job over, what db.session.AWAY names when the database does not
        answer; every other end is in the journal."""
        job, rows = journal.load()
        ids = {"job_id": job.id, "request_id": job.request_id, "global_request_id": job.global_request_id}
        with logs.about(**ids), lease.held(claimed.claim.lease):
            self._run(journal, claimed, job, rows)

    def _run(self, journal: Journal, claimed: Claimed, job: Job, rows: Sequence[StepRow]) -> None:
        if missing := sorted({r.spec.step for r in rows} - set(self._steps)):
            LOG.warning("job %s needs steps this worker lacks: %s", job.id, ", ".join(missing))
            waits = Retry(30, f"waits for a worker that has: {', '.join(missing)}")
            journal.park(job, waits.after, waits)
            return
        if claimed.deaths >= MAX_DEATHS:
            journal.stop(JobState.NEEDS_ATTENTION, _deadly(job, claimed.deaths))
            return
        with suppress(Parked):
            turn = journal.next()
            while not isinstance(turn.action, course.End | course.Wait):
                settled = self._take(journal, turn)
                if self._stopping.is_set():
                    journal.release(settled)
                    return
                turn = journal.next(settled)

    def _take(self, journal: Journal, turn: Turn) -> Settled | None:
        """What is settled by it, for the journal to record together with what comes next."""
        match turn.action:
            case course.Apply(row):
                return self._apply(self._call(journal, turn, row), resumed=row.state == StepState.APPLYING)
            case course.Undo(row):
                return self._undo(self._call(journal, turn, row))
            case course.Sweep(failed):
                self._sweep(journal, turn, failed)
        return None

    def _call(self, journal: Journal, turn: Turn, row: StepRow) -> Call:
        now = next(r for r in turn.rows if r.position == row.position)
        context = Context(self._surroundings, journal, turn.job, turn.rows, now)
        return Call(journal, turn.job, turn.rows, now, self._steps[row.spec.step], context)

    # -- forward ---------------------------------------------------------------------------------------------------

    def _apply(self, call: Call, *, resumed: bool) -> Settled | None:
        try:
            with waiting.asking(partial(_unless_away, call.context.checkpoint)):
                if resumed and (seen := traced("probe", call.step.probe, call.context)).done:
                    return _done(call, seen.result)
                if expired(call.job, call.row, call.step):
                    raise Failed(
                        f"step {call.row.spec.id} took longer than {call.step.timeout:.0f} s",
                        code="live-update.step.timeout",
                        remedy="see its events for what it waited for; then retry the job",
                    )
                return _done(call, traced("apply", call.step.apply, call.context))
        except Cancelled:
            call.journal.turn_back("cancelled", "cancelled on request")
            return None
        except Retry as retry:
            return self._retry(call, retry)
        except Failed as failed:
            told = by_its_owner(call.context, failed)
            if told is not failed:
                LOG.warning("job %s step %s: %s: %s", call.job.id, call.row.spec.id, told.detail, failed.detail)
            return self._failed(call, told)
        except AWAY:
            # that is no word about the step: whoever claims the job next probes it
            raise
        except Exception as error:
            return self._unforeseen(call, error)

    def _retry(self, call: Call, retry: Retry) -> Settled | None:
        if retry.counts:
            if call.row.attempts + 1 >= call.step.attempts:
                told = f"{retry.detail} (after {call.step.attempts} attempts)"
                failed = Failed(told, code=retry.code, remedy=retry.remedy)
                return self._failed(call, by_its_owner(call.context, failed))
            call.journal.step_tried(call.row, retry)
        call.park(retry.after, retry)

    def _failed(self, call: Call, failed: LiveUpdateError) -> Settled | None:
        """The step cannot be done. A pivot that failed is looked at once more: it decides what may be undone."""
        if call.row.spec.id in (call.job.plan.pivot, call.job.plan.back_pivot):
            seen = self._probe_or_stop(call)
            if seen.done:
                return _done(call, seen.result)
        failed.remedy = failed.remedy or _SEE
        call.journal.step_failed(call.row, failed)
        outcome = course.undo_after_failure(call.job, call.rows, call.row, lost=isinstance(failed, Lost))
        if outcome is None:
            call.stop(JobState.NEEDS_ATTENTION, failed)
        call.journal.turn_back(outcome, failed.detail, failed)
        return None

    def _unforeseen(self, call: Call, error: Exception) -> Settled | None:
        """Nobody knows whether it happened: probe decides; what did not happen is tried again, a few times."""
        told = by_its_owner(call.context, as_told(error))
        LOG.warning(
            "job %s step %s: %s",
            call.job.id,
            call.row.spec.id,
            told.detail,
            exc_info=not isinstance(error, LiveUpdateError),
        )
        seen = self._probe_or_stop(call)
        if seen.done:
            return _done(call, seen.result)
        tries = call.step.attempts if isinstance(error, LiveUpdateError) else min(2, call.step.attempts)
        if call.row.attempts + 1 >= tries:
            return self._failed(call, told)
        call.journal.step_tried(call.row, told)
        call.park(_BACKOFF * 2**call.row.attempts, told)

    def _probe_or_stop(self, call: Call) -> Probe:
        """Probe after a doubtful call; a probe that cannot tell ends the job's own efforts: never a guess."""
        try:
            return traced("probe", call.step.probe, call.context)
        except Retry as retry:
            call.park(retry.after, retry)
        except AWAY:
            raise
        except Exception as error:
            told = by_its_owner(call.context, as_told(error))
            doubt = LiveUpdateError(
                f"cannot tell whether step {call.step.name} happened: {told.detail}",
                code="live-update.step.in-doubt",
                remedy=told.remedy or "see to the cause, then retry the job",
            )
            call.stop(JobState.NEEDS_ATTENTION, doubt)

    # -- back ------------------------------------------------------------------------------------------------------

    def _undo(self, call: Call) -> Settled | None:
        try:
            traced("undo", call.step.undo, call.context)
        except Retry as retry:
            if not retry.counts:
                call.park(retry.after, retry)
            self._undo_again(call, retry, retry.after)
        except AWAY:
            raise
        except Exception as error:
            told = by_its_owner(call.context, as_told(error))
            LOG.warning("job %s undo of %s: %s", call.job.id, call.row.spec.id, told.detail, exc_info=True)
            self._undo_again(call, told, _BACKOFF * 2**call.row.attempts)
        else:
            return Settled(call.row, StepState.UNDONE)
        return None

    def _sweep(self, journal: Journal, turn: Turn, failed: Sequence[StepRow]) -> None:
        """Whatever keeps something from being undone or taken away is told at once, in one reason."""
        call = self._call(journal, turn, turn.rows[0])
        blocking = [_as_recorded(row) for row in reversed(failed)]
        try:
            take_all_away(call.context)
        except Retry as retry:
            call.park(retry.after, retry)
        except AWAY:
            raise
        except Exception as error:
            LOG.warning("job %s: what is left cannot be taken away", call.job.id, exc_info=True)
            blocking.append(as_told(error))
        if blocking:
            call.stop(JobState.UNDO_FAILED, _all_of(blocking))

    def _undo_again(self, call: Call, told: LiveUpdateError, after: float) -> None:
        if call.row.attempts + 1 >= UNDO_ATTEMPTS:
            call.journal.step_undo_failed(call.row, told)
            if course.goes_on_without(call.job, call.row):
                return
            call.stop(JobState.UNDO_FAILED, _undo_failed(call.row, told, call.context.ledger.open()))
        call.journal.step_tried(call.row, told)
        call.park(after, told)


def _unless_away(checkpoint: Callable[[], None]) -> None:
    """A database that does not answer has no word for who waits: it goes on waiting."""
    with suppress(*AWAY):
        checkpoint()


def _done(call: Call, result: Json) -> Settled:
    return Settled(call.row, StepState.DONE, result)


def expired(job: Job, row: StepRow, step: Step) -> bool:
    """By the database's clock: the job's last write against the step's first."""
    return row.started_at is not None and (job.updated_at - row.started_at).total_seconds() > step.timeout


def as_told(error: Exception) -> LiveUpdateError:
    """What is shown of an error: our own as it is, another's by its type and first line, bounded."""
    if isinstance(error, LiveUpdateError):
        return error
    lines = str(error).splitlines() or [""]
    told = f"{type(error).__name__}: {lines[0][:300]}"
    return Failed(told, code=UNFORESEEN, remedy="see the workers' log, then retry the job")


def _deadly(job: Job, deaths: int) -> LiveUpdateError:
    return LiveUpdateError(
        f"{deaths} workers died at step {job.step or 'start'} of this job",
        code=DEADLY,
        remedy="look at the workers' logs; then retry the job, or cancel it, which undoes it",
    )


def _as_recorded(row: StepRow) -> LiveUpdateError:
    """Why the undo of this step failed."""
    told = f"undo of step {row.spec.id} failed: {row.error.get('detail', 'unknown')}"
    return LiveUpdateError(told, code=row.error.get("code"), remedy=row.error.get("remedy", ""))


def _all_of(errors: Sequence[LiveUpdateError]) -> LiveUpdateError:
    remedies = dict.fromkeys(error.remedy for error in errors if error.remedy)
    return LiveUpdateError(
        "; ".join(error.detail for error in errors),
        code=errors[0].code,
        remedy="; ".join(remedies) or "see to the cause, then ask for cleanup",
    )


def _undo_failed(row: StepRow, told: LiveUpdateError, left: Sequence[Resource]) -> LiveUpdateError:
    there = ", ".join(f"{line.kind} {line.name} {line.cloud_id}".rstrip() for line in left)
    return LiveUpdateError(
        f"undo of step {row.spec.id} failed: {told.detail}" + (f"; still there: {there}" if there else ""),
        code=told.code,
        remedy=told.remedy or "see to the cause, then ask for cleanup",
    )
