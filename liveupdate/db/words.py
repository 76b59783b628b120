"""What users say to a job.

Each takes the job's lock first, so that no step begins in between, and raises Conflict, naming the job's state, where
it makes no sense. A worker obeys at its next look (engine/course.py).
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from liveupdate.db import clock, events, jobs, steps
from liveupdate.db.jobs import LATER, NO_TROUBLE
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.db.tables import steps as steps_table
from liveupdate.errors import Conflict, Forbidden, Invalid
from liveupdate.model import Job, Json, StepRow
from liveupdate.states import FINAL, STUCK, JobState, StepState, advance

_NOTHING: Json = {}
_CLEANUP = "job.cleanup_requested"
#: Nothing new begins in these: the job has ended, goes back, or waits for a person.
_NOT_FORWARD = (*FINAL, *STUCK, JobState.UNDOING)


def cancel(connection: Connection, job: Job) -> Job:
    """Ask for cancel: at once a fact in the database, obeyed by the worker at its next look. Repeating is a no-op.

    A job that needs attention, or whose undo failed, starts undoing (again). Raises Conflict once the pivot has begun
    or the job has ended.
    """
    job = jobs.locked(connection, job.id)
    if job.cancel_requested and job.state not in STUCK:
        return job
    if job.state in FINAL:
        raise _wrong_state(job, "cancelled")
    if _only_forward(job, steps.of_job(connection, job.id)):
        raise Conflict(
            f"job {job.id} is {job.state} and past its pivot, {job.plan.pivot}: it only goes forward",
            code="live-update.job.pivot-passed",
            remedy="let it finish, or ask for rollback while it is in hold",
        )
    undoing = {"state": JobState.UNDOING, "outcome": "cancelled"} if job.state in STUCK else {}
    if undoing:
        _try_anew(connection, job)
    return _say(connection, job, "job.cancel_requested", cancel_requested=True, **undoing)


def decide(connection: Connection, job: Job, decision: str) -> Job:
    """The operator's word, "confirm" or "rollback", for a job between its pivot and the release of the original.

    Raises Conflict in every other state, and for a method that has no way back.
    """
    job = jobs.locked(connection, job.id)
    may_move_back = job.plan.may_move_back(steps.of_job(connection, job.id))
    if job.state in FINAL or job.outcome or not may_move_back:
        raise _wrong_state(job, f"asked for {decision}")
    forward = {"state": JobState.RUNNING, **NO_TROUBLE} if job.state in STUCK else {}
    return _say(connection, job, f"job.{decision}_requested", decision=decision, **forward)


def retry(connection: Connection, job: Job) -> Job:
    """Let a stuck job try again where it is stuck, in the direction it was going. Raises Conflict if it is not."""
    job = jobs.locked(connection, job.id)
    if job.state not in STUCK:
        raise _wrong_state(job, "retried")
    _try_anew(connection, job)
    state = JobState.UNDOING if job.outcome else JobState.RUNNING
    return _say(connection, job, "job.retry_requested", state=state, **NO_TROUBLE)


def approve(connection: Connection, job: Job, user_id: str) -> Job:
    """Let a job begin that needs somebody's approval. Raises Forbidden for its own requester."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.approval != "needed":
        raise _wrong_state(job, "approved" if job.approval == "needed" else "approved: it does not wait for that")
    if user_id == job.user_id:
        raise Forbidden(
            "a job is approved by somebody else than its requester",
            code="live-update.approval.own-request",
            remedy="ask a manager of the project",
        )
    return _say(connection, job, "job.approved", {"by": user_id}, approval="given", approved_by=user_id)


def start(connection: Connection, job: Job) -> Job:
    """Begin now, whatever time or window the job was to wait for."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.started_at is not None:
        raise _wrong_state(job, "started")
    if job.approval == "needed":
        raise _wrong_state(job, "started before it is approved")
    instead = {"not_before": job.not_before and job.not_before.isoformat(), "window": job.window}
    return _say(connection, job, "job.start_requested", instead, not_before=None, window="", paused=False)


def pause(connection: Connection, job: Job) -> Job:
    """Rest at the next boundary between steps that allows it; the step at hand is finished. Repeating is a no-op."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.cancel_requested:
        raise _wrong_state(job, "paused")
    return job if job.paused else _say(connection, job, "job.pause_requested", paused=True)


def resume(connection: Connection, job: Job) -> Job:
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or not job.paused:
        raise _wrong_state(job, "resumed" if job.paused else "resumed: it is not paused")
    return _say(connection, job, "job.resume_requested", paused=False)


def skip_step(connection: Connection, job: Job, step_id: str | None) -> Job:
    """Leave a step out: one that has not begun, or the one that the job is stuck at. None: the latter.

    Raises Invalid for a step that the plan does not have, or cannot do without.
    """
    job = jobs.locked(connection, job.id)
    rows = {row.spec.id: row for row in steps.of_job(connection, job.id)}
    row = rows.get(step_id or job.step)
    if row is None or row.spec.id not in job.plan.skippable:
        raise Invalid(
            f"the job has no step {(step_id or job.step)!r} that may be skipped",
            code="live-update.job.step-not-skippable",
            remedy=f"these may be: {', '.join(job.plan.skippable) or 'none'}",
        )
    stuck = job.state == JobState.NEEDS_ATTENTION and row.state == StepState.APPLYING and not job.outcome
    waits = job.state not in (*FINAL, JobState.UNDOING) and row.state == StepState.PENDING
    if not stuck and not waits:
        raise _wrong_state(job, f"told to skip step {row.spec.id}, which is {row.state}")
    steps.skip(connection, [row])
    forward: dict[str, Any] = {"state": JobState.RUNNING, **NO_TROUBLE} if stuck else {}
    return _say(connection, job, "job.skip_requested", {"step": row.spec.id}, **forward)


def clean_up(connection: Connection, job: Job, trust_id: str | None, roles: tuple[str, ...] = ()) -> Job:
    """Bring a stuck job to an end by its journal and ledger: undone before its pivot, finished after it, without the
    steps that it can do without. May be repeated; what blocks it, all of it, is the job's reason then.

    Asked for again while it is at it, or has done it, is a no-op: the job as it is.
    ``trust_id``: of whoever asks, for the work to be done in their name; None: in the requester's, as before.
    """
    job = jobs.locked(connection, job.id)
    if job.state not in STUCK:
        if events.last_word(connection, job.id) == _CLEANUP:
            return job
        raise _wrong_state(job, "cleaned up: that is for jobs that are stuck")
    rows = steps.of_job(connection, job.id)
    _try_anew(connection, job)
    trust: dict[str, Any] = {} if trust_id is None else {"trust_id": trust_id, "roles": list(roles)}
    if job.outcome == "hold":
        return _say(connection, job, _CLEANUP, state=JobState.UNDOING, **NO_TROUBLE, **trust)
    # one undo that fails does not keep the others from being tried (engine/course.py)
    undoing: dict[str, Any] = {"state": JobState.UNDOING, "decision": "cleanup", **trust}
    if job.outcome:
        return _say(connection, job, _CLEANUP, **undoing, **NO_TROUBLE)
    if not _only_forward(job, rows):
        return _say(connection, job, _CLEANUP, outcome="undone", **undoing)
    open_rows = [row for row in rows if row.state in (StepState.PENDING, StepState.APPLYING)]
    steps.skip(connection, [row for row in open_rows if row.spec.id in job.plan.skippable])
    return _say(connection, job, _CLEANUP, state=JobState.RUNNING, **NO_TROUBLE, **trust)


def _try_anew(connection: Connection, job: Job) -> None:
    """The steps that a stuck job is at get their attempts and their time anew."""
    stuck = (StepState.APPLYING, StepState.UNDOING, StepState.UNDO_FAILED)
    here = (steps_table.c.job_id == job.id, steps_table.c.state.in_(stuck))
    connection.execute(update(steps_table).where(*here).values(attempts=0, started_at=clock.now()))
    failed = (steps_table.c.job_id == job.id, steps_table.c.state == StepState.UNDO_FAILED)
    query = select(steps_table.c.spec_id).where(*failed).order_by(steps_table.c.position.desc())
    for step in connection.scalars(query):
        events.add(connection, job.id, "step.undo_started", step)
    connection.execute(update(steps_table).where(*failed).values(state=StepState.UNDOING))


def _say(connection: Connection, job: Job, event: str, told: Json = _NOTHING, /, **values: Any) -> Job:
    """Write down a user's word, and wake the job. ``job`` as it is, locked."""
    if "state" in values:
        advance(job.state, values["state"])
    values |= {"wake_at": clock.now(), "updated_at": LATER}
    connection.execute(update(jobs_table).where(jobs_table.c.id == job.id).values(**values))
    events.add(connection, job.id, event, detail=told)
    return jobs.get(connection, job.id)


def _wrong_state(job: Job, what: str) -> Conflict:
    at = f" at step {job.step}" if job.step else ""
    return Conflict(
        f"job {job.id} is {job.state}{at} and cannot be {what}",
        code="live-update.job.wrong-state",
        remedy="look at the job's state and steps",
    )


def _only_forward(job: Job, rows: Sequence[StepRow]) -> bool:
    """Past its pivot, or perhaps."""
    return job.outcome not in ("undone", "cancelled") and job.plan.pivot_begun(rows)
