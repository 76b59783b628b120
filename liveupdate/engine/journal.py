"""What a worker writes of its job, fenced by its claim, in one transaction each.

A write that finds the fence moved on, or the lease over by the database's clock, raises LeaseLost and writes nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine

from liveupdate import lease as leases
from liveupdate.db import claims, clock, events, jobs, resources, steps
from liveupdate.db.session import read, write
from liveupdate.drivers.cloud import marks
from liveupdate.engine import course, turns
from liveupdate.engine.claim import Claim
from liveupdate.engine.turns import Settled, Turn
from liveupdate.errors import LeaseLost, LiveUpdateError, Retry
from liveupdate.model import Event, Job, Json, Resource, StepRow
from liveupdate.states import JobState, ResourceState, StepState, advance

T = TypeVar("T")


class Journal:
    """The journal of one claimed job. ``lease``: seconds that each write prolongs the lease by."""

    def __init__(self, engine: Engine, claim: Claim, lease: float) -> None:
        self._engine = engine
        self._lease = lease
        self.claim = claim
        self._mine: dict[str, Any] = {
            "of_job": claim.job_id,
            "by": claim.owner,
            "at_fence": claim.fence,
            "so_long": clock.microseconds(lease),
        }
        #: The job and its steps as they were last read or written.
        self._known: tuple[Job, Sequence[StepRow]] | None = None

    def load(self) -> tuple[Job, Sequence[StepRow]]:
        with read(self._engine) as connection:
            self._known = self._read(connection)
        return self._known

    def look(self) -> tuple[Job, Sequence[StepRow]]:
        """Like load, but only for who still owns the job: a worker that was frozen past its lease learns it here."""
        return self._write(self._read)

    def resources(self) -> Sequence[Resource]:
        with read(self._engine) as connection:
            return resources.of_job(connection, self.claim.job_id)

    # -- the job ---------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        self._write(lambda connection: None)

    def next(self, settled: Settled | None = None) -> Turn:
        """Record what is settled, decide what comes next and record that, in one transaction: no word of a user falls
        in between, and one commit makes both durable.
        """

        asked = leases.now()
        turn = self._foreseen(settled) or write(self._engine, lambda connection: self._seen(connection, settled))
        self._prolonged(asked)
        self._known = turn.job, turn.rows
        return turn

    def _foreseen(self, settled: Settled | None) -> Turn | None:
        """The next turn by what is known, written if nothing has changed meanwhile: nobody but the claim's holder, and
        he only here, changes a job, or its steps, without its ``updated_at``.
        """
        if self._known is None or settled is None:
            return None
        job, rows = self._known
        entry = turns.entry(job, rows, settled, job.updated_at)
        if not entry.goes_on or job.window:
            return None
        at = claims.go_on(self._engine, self._mine, job.updated_at, entry.turn.job.progress, *entry.rows)
        return entry.at(*at) if at else None

    def _seen(self, connection: Connection, settled: Settled | None) -> Turn:
        """The next turn by what the database has, held until it is written."""
        (job, rows), now = self._held(connection)
        leftovers = job.state == JobState.UNDOING and resources.any_open(connection, job.id)
        entry = turns.entry(job, rows, settled, now, leftovers=leftovers)
        turn, told = entry.turn, dict(entry.job)
        words: list[tuple[str, str, Json]] = [(type, step, {}) for type, step in entry.events]
        if isinstance(turn.action, course.End):
            state = turn.action.state
            turned_back = None if state == JobState.SUCCEEDED else events.newest(connection, job.id, _UNDOING)
            ended = _ended(turn.job, state, now, turned_back)
            told |= ended
            words.append((f"job.{state}", "", {"reason": ended.get("reason", turn.job.reason)}))
        if entry.rows:
            steps.put(connection, entry.rows)
        if words:
            events.add_all(connection, self.claim.job_id, words)
        if told:
            turn = replace(turn, job=replace(turn.job, updated_at=self._update(connection, **told)))
        self._follow(connection, turn.job, turn.rows, turn.action)
        return turn

    def _held(self, connection: Connection) -> tuple[tuple[Job, Sequence[StepRow]], datetime]:
        """The job and its steps, locked, and now; what is known of them, unless it has changed."""
        if self._known and (now := claims.hold_as_known(connection, self._mine, self._known[0].updated_at)):
            return self._known, now
        now = self._hold(connection)
        return self._read(connection), now

    def _read(self, connection: Connection) -> tuple[Job, Sequence[StepRow]]:
        return jobs.get(connection, self.claim.job_id), steps.of_job(connection, self.claim.job_id)

    def _follow(self, connection: Connection, job: Job, rows: Sequence[StepRow], action: course.Action) -> None:
        """What else than a step, or the end, comes next."""
        match action:
            case course.TurnBack(outcome, reason, error):
                self._turn_back(connection, job, outcome, reason, error)
            case course.Wait(until, reason):
                self._rest(connection, job, until, reason)
            case course.MoveBack():
                steps.add(connection, job.id, job.plan.back)
                self._update(connection)
                events.add(connection, job.id, "job.moving_back")
            case course.HoldAgain():
                back = {spec.id for spec in job.plan.back}
                steps.skip(connection, [r for r in rows if r.state == StepState.PENDING and r.spec.id in back])
                held = next((r.spec.id for r in rows if r.state == StepState.APPLYING), job.step)
                # why the way back failed is told by its steps; the job goes on
                told = dict.fromkeys(("outcome", "decision", "reason", "code", "remedy"), "")
                self._job(connection, job, JobState.RUNNING, step=held, **told)

    def park(self, seen: Job, after: float, error: LiveUpdateError) -> None:
        """Give the job back until ``after`` seconds are over, or what it watches changes, or somebody wakes it.

        ``seen`` is the job as the step saw it: a user's word said since then wakes it at once. What has a remedy is
        trouble: its code and its remedy are the job's until it waits for something else, or goes on. A job that undoes
        keeps those of why it does.
        """

        def work(connection: Connection) -> None:
            job = jobs.get(connection, self.claim.job_id)
            state = JobState.UNDOING if job.state == JobState.UNDOING else JobState.WAITING
            watch = error.watch if isinstance(error, Retry) else None
            awaited = {"watch_kind": watch.kind, "watch_id": watch.id, "watch_seen": watch.seen} if watch else _NO_WATCH
            trouble = {} if state == JobState.UNDOING else _trouble(error if error.remedy else None)
            spoken = (job.cancel_requested, job.decision) != (seen.cancel_requested, seen.decision)
            wake_at = clock.read(connection) + timedelta(seconds=0 if spoken else after)
            self._give_back(connection, job, state, wake_at, error.detail, **awaited, **trouble)

        self._write(work)

    def release(self, settled: Settled | None = None) -> None:
        """Give the job back as it is, with what is settled, for another worker to go on with at once."""

        def work(connection: Connection) -> None:
            told: Json = {}
            if settled:
                done = turns.settle(settled, clock.read(connection))
                steps.put(connection, [done])
                events.add(connection, done.job_id, f"step.{done.state}", done.spec.id)
                told = turns.progress(settled, steps.of_job(connection, self.claim.job_id))
            self._update(connection, **told, **_NO_LEASE)

        self._write(work)

    def turn_back(self, outcome: str, reason: str, error: LiveUpdateError | None = None) -> None:
        self._write(
            lambda connection: self._turn_back(
                connection, jobs.get(connection, self.claim.job_id), outcome, reason, error
            )
        )

    def stop(self, state: JobState, error: LiveUpdateError) -> None:
        """NEEDS_ATTENTION or UNDO_FAILED: a person is needed; code, reason and remedy tell what for."""

        def work(connection: Connection) -> None:
            job = jobs.get(connection, self.claim.job_id)
            told = {"reason": error.detail, "code": error.code, "remedy": error.remedy}
            self._job(connection, job, state, cancel_requested=False, deaths=0, **told, **_NO_WATCH, **_NO_LEASE)
            events.add(connection, job.id, f"job.{state}", job.step, told)

        self._write(work)

    def _rest(self, connection: Connection, job: Job, until: datetime | None, reason: str) -> None:
        wake_at = until or clock.read(connection) + _LONG
        self._give_back(connection, job, JobState.WAITING, wake_at, reason, **_NO_WATCH, **_trouble(None))

    def _give_back(
        self, connection: Connection, job: Job, state: JobState, wake_at: datetime, reason: str, **values: Any
    ) -> None:
        """Before its pivot a job wakes at its deadline at the latest."""
        if job.deadline and job.deadline > clock.read(connection):
            wake_at = min(wake_at, job.deadline)
        if reason != job.reason:
            events.add(connection, job.id, "step.waiting", job.step, {"reason": reason})
        at = clock.from_datetime(wake_at)
        self._job(connection, job, state, reason=reason, wake_at=at, **values, **_NO_LEASE)

    # -- its steps -------------------------------------------------------------------------------------------------

    def step_tried(self, row: StepRow, error: LiveUpdateError) -> None:
        """A call of apply or undo failed and will be repeated."""
        self._step(row, row.state, "step.retry", {"attempts": row.attempts + 1, "error": _told(error)}, _told(error))

    def step_failed(self, row: StepRow, error: LiveUpdateError) -> None:
        """apply has failed for good; the state stays APPLYING, for undo to take back what was half done."""
        self._step(row, row.state, "step.failed", {"error": _told(error), "attempts": 0}, _told(error))

    def step_undo_failed(self, row: StepRow, error: LiveUpdateError) -> None:
        self._step(row, StepState.UNDO_FAILED, "step.undo_failed", {"error": _told(error)}, _told(error))

    # -- the ledger and events -------------------------------------------------------------------------------------

    def intend(self, kind: str, role: str, details: Json) -> Resource:
        def work(connection: Connection) -> Resource:
            there = resources.find_open(connection, self.claim.job_id, kind, role)
            name = marks.name(self.claim.job_id, role)
            return there or resources.add(connection, self.claim.job_id, kind, role, name, details)

        return self._write(work)

    def created(self, resource: Resource, cloud_id: str, details: Json | None) -> Resource:
        return self._write(lambda connection: resources.created(connection, resource, cloud_id, details))

    def ready(self, resource: Resource) -> None:
        self._write(lambda connection: resources.ready(connection, resource))

    def closed(self, resource: Resource, state: ResourceState, days: float | None = None) -> None:
        self._write(lambda connection: resources.close(connection, resource, state, days))

    def end_keeping(self, resource_id: int, *, gone: bool) -> None:
        self._write(lambda connection: resources.end_keeping(connection, resource_id, gone=gone))

    def event(self, type: str, step: str, detail: Json) -> None:
        self._write(lambda connection: events.add(connection, self.claim.job_id, type, step, detail))

    def fenced(self, work: Callable[[Connection], T]) -> T:
        """Run ``work``, which writes what else belongs to the job, in a transaction that only its owner can make."""
        return self._write(work)

    # -- how it is written -----------------------------------------------------------------------------------------

    def _write(self, work: Callable[[Connection], T]) -> T:
        def fenced(connection: Connection) -> T:
            self._hold(connection)
            return work(connection)

        asked = leases.now()
        done = write(self._engine, fenced)
        self._prolonged(asked)
        return done

    def _prolonged(self, asked: float) -> None:
        """The lease, by what was written since ``asked``."""
        self.claim.lease.until = max(self.claim.lease.until, asked + self._lease)

    def _hold(self, connection: Connection) -> datetime:
        now = claims.hold(connection, self._mine)
        if now is None:
            self.claim.lost.set()
            raise LeaseLost(self.claim.job_id)
        return now

    def _update(self, connection: Connection, **values: Any) -> datetime:
        return claims.change(connection, self.claim.job_id, values)

    def _job(self, connection: Connection, job: Job, state: JobState, **values: Any) -> None:
        if state != job.state:
            advance(job.state, state)
        self._update(connection, state=state, **values)

    def _turn_back(
        self, connection: Connection, job: Job, outcome: str, reason: str, error: LiveUpdateError | None = None
    ) -> None:
        self._job(connection, job, JobState.UNDOING, outcome=outcome, reason=reason, **_trouble(error))
        events.add(connection, job.id, _UNDOING, job.step, {"outcome": outcome, "reason": reason, **_trouble(error)})

    def _step(self, row: StepRow, state: StepState, event: str, values: Json, detail: Json | None = None) -> None:
        def work(connection: Connection) -> None:
            if state != row.state:
                advance(row.state, state)
            steps.change(connection, row, state=state, **values)
            events.add(connection, row.job_id, event, row.spec.id, detail)
            self._update(connection, step=row.spec.id)

        self._write(work)


_UNDOING = "job.undoing"
#: Until somebody speaks; looked at again every so often.
_LONG = timedelta(days=1)
_NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_until": 0}
_NO_WATCH: dict[str, Any] = {"watch_kind": "", "watch_id": "", "watch_seen": ""}


def _ended(job: Job, state: JobState, now: datetime, turned_back: Event | None) -> Json:
    """What a job has of its end; ``turned_back`` is the event that says why it was to be undone."""
    told: dict[str, Any] = {"progress": 100, **jobs.NO_TROUBLE} if state == JobState.SUCCEEDED else {}
    if turned_back:
        # not what undoing waited for last; and a cleanup has cleared why it was stuck
        told |= {name: turned_back.detail.get(name, "") for name in jobs.NO_TROUBLE}
    ended = {"state": advance(job.state, state), "finished_at": clock.from_datetime(now), "open_server_id": None}
    return {**ended, **told, **_NO_WATCH, **_NO_LEASE}


def _trouble(error: LiveUpdateError | None) -> dict[str, str]:
    """What a job has of it."""
    return {"code": error.code, "remedy": error.remedy} if error else {"code": "", "remedy": ""}


def _told(error: LiveUpdateError) -> dict[str, str]:
    return {"code": error.code, "detail": error.detail, "remedy": error.remedy}
