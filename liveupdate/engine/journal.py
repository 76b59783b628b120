"""What a worker writes: claims by compare-and-swap, and every other write fenced by the claim, in one transaction.

A write that finds the fence moved on, or the lease over by the database's clock, raises LeaseLost and writes nothing.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import Event as Flag
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Engine, bindparam, select, update

from liveupdate import lease as leases
from liveupdate.db import clock, events, jobs, resources, steps
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.db.tables import steps as steps_table
from liveupdate.engine import course
from liveupdate.errors import LeaseLost, LiveUpdateError, Watch
from liveupdate.lease import Lease
from liveupdate.model import Job, Json, Resource, StepRow
from liveupdate.states import CLAIMABLE, JobState, ResourceState, StepState, advance

T = TypeVar("T")


@dataclass(frozen=True)
class Claim:
    """The right to write to one job, as long as nobody has a higher fence and the lease is renewed in time."""

    job_id: str
    owner: str
    fence: int
    #: How long it surely lasts, by this worker's own clock: each write prolongs it.
    lease: Lease = field(compare=False, repr=False)
    #: Set once the lease is known to be lost: whoever works on the job stops at its next checkpoint.
    lost: Flag = field(default_factory=Flag, compare=False, repr=False)


@dataclass(frozen=True)
class Claimed:
    claim: Claim
    #: Workers that died with the job in hand since it last made progress.
    deaths: int
    taken_over: bool


def claim_next(engine: Engine, owner: str, lease: float) -> Claimed | None:
    """Claim the job that waits longest among those whose time has come, or None. ``lease`` in seconds."""

    def work(connection: Connection) -> Claimed | None:
        asked = leases.now()
        for row in connection.execute(due).mappings():
            taken_over = bool(row["lease_owner"])
            won = connection.execute(
                update(jobs_table)
                .where(jobs_table.c.id == row["id"], jobs_table.c.fence == row["fence"], *conditions)
                .values(
                    lease_owner=owner,
                    lease_until=clock.now() + clock.microseconds(lease),
                    fence=jobs_table.c.fence + 1,
                    # a holder that gave the job back has cleared its name; one that is still there died with it
                    deaths=jobs_table.c.deaths + int(taken_over),
                )
            )
            if won.rowcount == 1:
                if taken_over:
                    events.add(connection, row["id"], "lease.taken_over", detail={"from": row["lease_owner"]})
                claim = Claim(row["id"], owner, row["fence"] + 1, Lease(row["id"], asked + lease))
                return Claimed(claim, row["deaths"] + taken_over, taken_over)
        return None

    conditions = (
        jobs_table.c.state.in_(CLAIMABLE),
        jobs_table.c.lease_until <= clock.now(),
        jobs_table.c.wake_at <= clock.now(),
    )
    columns = (jobs_table.c.id, jobs_table.c.fence, jobs_table.c.lease_owner, jobs_table.c.deaths)
    due = select(*columns).where(*conditions).order_by(jobs_table.c.wake_at).limit(8)
    with read(engine) as connection:
        if connection.execute(due).first() is None:
            return None
    return write(engine, work)


@dataclass(frozen=True)
class Turn:
    """What comes next for a job: ``action`` with its row as it was, ``rows`` as they are with the intent recorded."""

    job: Job
    rows: Sequence[StepRow]
    action: course.Action


@dataclass(frozen=True)
class Settled:
    """A step that has been applied, with its ``result``, or has been undone: ``state`` says which."""

    row: StepRow
    state: StepState
    result: Json = field(default_factory=dict)


class Journal:
    """The journal of one claimed job. ``lease``: seconds that each write prolongs the lease by."""

    def __init__(self, engine: Engine, claim: Claim, lease: float) -> None:
        self._engine = engine
        self._lease = lease
        self.claim = claim
        #: As of the last turn. Nobody but the claim's holder changes steps, but for those that users skip.
        self._known: tuple[Job, Sequence[StepRow]] | None = None

    def load(self) -> tuple[Job, Sequence[StepRow]]:
        with read(self._engine) as connection:
            self._known = jobs.get(connection, self.claim.job_id), steps.of_job(connection, self.claim.job_id)
        return self._known

    def look(self) -> tuple[Job, Sequence[StepRow]]:
        """Like load, but only for who still owns the job: a worker that was frozen past its lease learns it here."""

        def work(connection: Connection) -> tuple[Job, Sequence[StepRow]]:
            job, rows, _ = self._now(connection, self._known)
            return job, rows

        return self._write(work)

    def resources(self) -> Sequence[Resource]:
        with read(self._engine) as connection:
            return resources.of_job(connection, self.claim.job_id)

    # -- the job ---------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        self._write(lambda connection: None)

    def begin(self) -> None:
        """QUEUED or WAITING becomes RUNNING; a job that undoes goes on undoing."""

        def work(connection: Connection) -> None:
            job = jobs.get(connection, self.claim.job_id)
            if job.state in (JobState.RUNNING, JobState.UNDOING):
                return
            self._job(connection, job, JobState.RUNNING)

        self._write(work)

    def next(self, settled: Settled | None = None) -> Turn:
        """Record what is settled, decide what comes next and record that, in one transaction: no word of a user falls
        in between, and one commit makes both durable.
        """

        known, self._known = self._known, None

        def work(connection: Connection) -> Turn:
            job, rows, now = self._now(connection, known)
            changed, told, happened = [], {}, []
            if settled:
                done = _settled(settled, now)
                rows = _with(rows, done)
                changed.append(done)
                happened.append((f"step.{done.state}", done.spec.id, _NOTHING))
                told |= _progress(settled, rows)
                job = replace(job, step=told["step"], progress=told["progress"])
            leftovers = job.state == JobState.UNDOING and resources.any_open(connection, job.id)
            action = course.next_action(job, rows, now, leftovers=leftovers)
            if intent := _intent(action, now):
                # recorded before the step does anything
                rows = _with(rows, intent)
                changed.append(intent)
                told["step"] = intent.spec.id
                if intent.state == StepState.APPLYING:
                    told["reason"] = ""
                    if job.started_at is None:
                        told["started_at"] = clock.from_datetime(now)
                        happened.append(("job.started", "", _NOTHING))
                happened.append((_STARTED[intent.state], intent.spec.id, _NOTHING))
            if changed:
                steps.put(connection, changed)
                events.add_all(connection, job.id, happened)
                self._update(connection, **told)
            self._follow(connection, job, rows, action, now)
            return Turn(job, rows, action)

        turn = self._write(work)
        if isinstance(turn.action, course.Apply | course.Undo):
            self._known = turn.job, turn.rows
        return turn

    def _now(
        self, connection: Connection, known: tuple[Job, Sequence[StepRow]] | None
    ) -> tuple[Job, Sequence[StepRow], datetime]:
        """The job and its steps as they are, by the database's clock."""
        job, rows = known or (jobs.get(connection, self.claim.job_id), ())
        since = jobs.since(connection, job)
        if not known or since.skipped != sum(row.state == StepState.SKIPPED for row in rows):
            rows = steps.of_job(connection, job.id)
        return since.job, rows, since.now

    def _follow(
        self, connection: Connection, job: Job, rows: Sequence[StepRow], action: course.Action, now: datetime
    ) -> None:
        """What else than a step comes next."""
        match action:
            case course.TurnBack(outcome, reason, error):
                self._turn_back(connection, job, outcome, reason, error)
            case course.Wait(until, reason):
                self._rest(connection, job, until, reason)
            case course.MoveBack():
                steps.add(connection, job.id, job.plan.back)
                events.add(connection, job.id, "job.moving_back")
            case course.HoldAgain():
                self._skip_way_back(connection, job)
                held = next((r.spec.id for r in rows if r.state == StepState.APPLYING), job.step)
                # why the way back failed is told by its steps; the job goes on
                told = dict.fromkeys(("outcome", "decision", "reason", "code", "remedy"), "")
                self._job(connection, job, JobState.RUNNING, step=held, **told)
            case course.End(state):
                self._end(connection, job, rows, state, now)

    def park(self, seen: Job, after: float, reason: str, watch: Watch | None = None) -> None:
        """Give the job back until ``after`` seconds are over, or what it watches changes, or somebody wakes it.

        ``seen`` is the job as the step saw it: a user's word said since then wakes it at once.
        """

        def work(connection: Connection) -> None:
            job = jobs.get(connection, self.claim.job_id)
            state = JobState.UNDOING if job.state == JobState.UNDOING else JobState.WAITING
            awaited = {"watch_kind": watch.kind, "watch_id": watch.id, "watch_seen": watch.seen} if watch else _NO_WATCH
            spoken = (job.cancel_requested, job.decision) != (seen.cancel_requested, seen.decision)
            wake_at = clock.read(connection) + timedelta(seconds=0 if spoken else after)
            self._give_back(connection, job, state, wake_at, reason, **awaited)

        self._write(work)

    def release(self, settled: Settled | None = None) -> None:
        """Give the job back as it is, with what is settled, for another worker to go on with at once."""

        def work(connection: Connection) -> None:
            told: dict[str, Any] = {}
            if settled:
                done = _settled(settled, clock.read(connection))
                steps.put(connection, [done])
                events.add(connection, done.job_id, f"step.{done.state}", done.spec.id)
                told = _progress(settled, steps.of_job(connection, self.claim.job_id))
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
        self._give_back(connection, job, JobState.WAITING, wake_at, reason, **_NO_WATCH)

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
            name = f"liveupdate-{self.claim.job_id[:8]}-{role}"
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
        asked = leases.now()

        def fenced(connection: Connection) -> T:
            mine = {"of_job": self.claim.job_id, "by": self.claim.owner, "at_fence": self.claim.fence}
            held = connection.execute(_HOLD, {**mine, "so_long": clock.microseconds(self._lease)})
            if held.rowcount != 1:
                self.claim.lost.set()
                raise LeaseLost(self.claim.job_id)
            return work(connection)

        done = write(self._engine, fenced)
        self.claim.lease.until = max(self.claim.lease.until, asked + self._lease)
        return done

    def _update(self, connection: Connection, **values: Any) -> None:
        connection.execute(_CHANGE, {"of_job": self.claim.job_id, **values})

    def _job(self, connection: Connection, job: Job, state: JobState, **values: Any) -> None:
        if state != job.state:
            advance(job.state, state)
        self._update(connection, state=state, **values)

    def _turn_back(
        self, connection: Connection, job: Job, outcome: str, reason: str, error: LiveUpdateError | None = None
    ) -> None:
        told = {"code": error.code, "remedy": error.remedy} if error else {}
        self._job(connection, job, JobState.UNDOING, outcome=outcome, reason=reason, **told)
        events.add(connection, job.id, "job.undoing", job.step, {"outcome": outcome, "reason": reason})

    def _end(self, connection: Connection, job: Job, rows: Sequence[StepRow], state: JobState, now: datetime) -> None:
        told: dict[str, Any] = {"progress": 100, "reason": ""} if state == JobState.SUCCEEDED else {}
        if state == JobState.UNDONE and job.code:
            # why it was undone, not what undoing waited for last
            why = [str(row.error["detail"]) for row in rows if row.error.get("code") == job.code]
            told["reason"] = why[0] if why else job.reason
        ended = {"finished_at": clock.from_datetime(now), "open_server_id": None}
        self._job(connection, job, state, **ended, **told, **_NO_WATCH, **_NO_LEASE)
        events.add(connection, job.id, f"job.{state}", detail={"reason": told.get("reason", job.reason)})

    def _step(self, row: StepRow, state: StepState, event: str, values: Json, detail: Json | None = None) -> None:
        def work(connection: Connection) -> None:
            if state != row.state:
                advance(row.state, state)
            steps.change(connection, row, state=state, **values)
            events.add(connection, row.job_id, event, row.spec.id, detail)
            self._update(connection, step=row.spec.id)

        self._known = None
        self._write(work)

    def _skip_way_back(self, connection: Connection, job: Job) -> None:
        pending = [
            r.position
            for r in steps.of_job(connection, job.id)
            if r.state == StepState.PENDING and r.spec.id in {s.id for s in job.plan.back}
        ]
        here = (steps_table.c.job_id == job.id, steps_table.c.position.in_(pending))
        connection.execute(update(steps_table).where(*here).values(state=StepState.SKIPPED))


#: What every write begins with. Built once, like what follows.
_HOLD = (
    update(jobs_table)
    .where(
        jobs_table.c.id == bindparam("of_job"),
        jobs_table.c.lease_owner == bindparam("by"),
        jobs_table.c.fence == bindparam("at_fence"),
        jobs_table.c.lease_until > clock.now(),
    )
    .values(lease_until=clock.now() + bindparam("so_long", type_=BigInteger))
)
_CHANGE = update(jobs_table).where(jobs_table.c.id == bindparam("of_job")).values(updated_at=clock.now())
#: Events of what begins.
_STARTED = {StepState.APPLYING: "step.started", StepState.UNDOING: "step.undo_started"}
_NOTHING: Json = {}
#: Until somebody speaks; looked at again every so often.
_LONG = timedelta(days=1)
_NO_LEASE: dict[str, Any] = {"lease_owner": "", "lease_until": 0}
_NO_WATCH: dict[str, Any] = {"watch_kind": "", "watch_id": "", "watch_seen": ""}


def _settled(settled: Settled, now: datetime) -> StepRow:
    row = settled.row
    advance(row.state, settled.state)
    if settled.state == StepState.DONE:
        # as it will be read: what a step is told must not depend on whether its worker has changed
        row = replace(row, result=json.loads(json.dumps(dict(settled.result))), error={})
    return replace(row, state=settled.state, finished_at=now)


def _intent(action: course.Action, now: datetime) -> StepRow | None:
    """The row that the action begins, as it is to be; None if there is none, or it has begun before."""
    match action:
        case course.Apply(row) if row.state == StepState.PENDING:
            return replace(row, state=advance(row.state, StepState.APPLYING), started_at=now)
        case course.Undo(row) if row.state != StepState.UNDOING:
            return replace(row, state=advance(row.state, StepState.UNDOING), attempts=0)
    return None


def _progress(settled: Settled, rows: Sequence[StepRow]) -> dict[str, Any]:
    """What a job has of a step that is settled; ``rows`` as they are since."""
    return {"step": settled.row.spec.id, "progress": course.progress([r.state for r in rows]), "deaths": 0}


def _with(rows: Sequence[StepRow], changed: StepRow) -> Sequence[StepRow]:
    return [changed if row.position == changed.position else row for row in rows]


def _told(error: LiveUpdateError) -> dict[str, str]:
    return {"code": error.code, "detail": error.detail, "remedy": error.remedy}
