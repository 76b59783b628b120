"""What users say to a job, beyond cancel, retry and the word that a job in hold waits for (db/jobs.py).

Each takes the job's lock first, so that no step begins in between, and raises Conflict, naming the job's state, where
it makes no sense. A worker obeys at its next look (engine/course.py).
"""

from typing import Any

from sqlalchemy import Connection, update

from liveupdate.db import events, jobs, steps
from liveupdate.db.jobs import NO_TROUBLE, say, wrong_state
from liveupdate.db.tables import steps as steps_table
from liveupdate.errors import Forbidden, Invalid
from liveupdate.model import Job, StepRow
from liveupdate.states import FINAL, STUCK, JobState, StepState

_CLEANUP = "job.cleanup_requested"
#: Nothing new begins in these: the job has ended, goes back, or waits for a person.
_NOT_FORWARD = (*FINAL, *STUCK, JobState.UNDOING)


def approve(connection: Connection, job: Job, user_id: str) -> Job:
    """Let a job begin that needs somebody's approval. Raises Forbidden for its own requester."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.approval != "needed":
        raise wrong_state(job, "approved" if job.approval == "needed" else "approved: it does not wait for that")
    if user_id == job.user_id:
        raise Forbidden(
            "a job is approved by somebody else than its requester",
            code="live-update.approval.own-request",
            remedy="ask a manager of the project",
        )
    return say(connection, job, "job.approved", {"by": user_id}, approval="given", approved_by=user_id)


def start(connection: Connection, job: Job) -> Job:
    """Begin now, whatever time or window the job was to wait for."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.started_at is not None:
        raise wrong_state(job, "started")
    if job.approval == "needed":
        raise wrong_state(job, "started before it is approved")
    instead = {"not_before": job.not_before and job.not_before.isoformat(), "window": job.window}
    return say(connection, job, "job.start_requested", instead, not_before=None, window="", paused=False)


def pause(connection: Connection, job: Job) -> Job:
    """Rest at the next boundary between steps that allows it; the step at hand is finished. Repeating is a no-op."""
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or job.cancel_requested:
        raise wrong_state(job, "paused")
    return job if job.paused else say(connection, job, "job.pause_requested", paused=True)


def resume(connection: Connection, job: Job) -> Job:
    job = jobs.locked(connection, job.id)
    if job.state in _NOT_FORWARD or not job.paused:
        raise wrong_state(job, "resumed" if job.paused else "resumed: it is not paused")
    return say(connection, job, "job.resume_requested", paused=False)


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
        raise wrong_state(job, f"told to skip step {row.spec.id}, which is {row.state}")
    _skip(connection, [row])
    forward: dict[str, Any] = {"state": JobState.RUNNING, **NO_TROUBLE} if stuck else {}
    return say(connection, job, "job.skip_requested", {"step": row.spec.id}, **forward)


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
        raise wrong_state(job, "cleaned up: that is for jobs that are stuck")
    rows = steps.of_job(connection, job.id)
    jobs.try_anew(connection, job)
    trust: dict[str, Any] = {} if trust_id is None else {"trust_id": trust_id, "roles": list(roles)}
    if job.outcome == "hold":
        return say(connection, job, _CLEANUP, state=JobState.UNDOING, **NO_TROUBLE, **trust)
    # one undo that fails does not keep the others from being tried (engine/course.py)
    undoing: dict[str, Any] = {"state": JobState.UNDOING, "decision": "cleanup", **trust}
    if job.outcome:
        return say(connection, job, _CLEANUP, **undoing, **NO_TROUBLE)
    if not jobs.pivot_begun(connection, job):
        return say(connection, job, _CLEANUP, outcome="undone", **undoing)
    open_rows = [row for row in rows if row.state in (StepState.PENDING, StepState.APPLYING)]
    _skip(connection, [row for row in open_rows if row.spec.id in job.plan.skippable])
    return say(connection, job, _CLEANUP, state=JobState.RUNNING, **NO_TROUBLE, **trust)


def _skip(connection: Connection, rows: list[StepRow]) -> None:
    here = (
        steps_table.c.job_id.in_([row.job_id for row in rows]),
        steps_table.c.position.in_([r.position for r in rows]),
    )
    connection.execute(update(steps_table).where(*here).values(state=StepState.SKIPPED))
