"""The states of jobs and steps: what each means, and which may follow which."""

from enum import StrEnum
from typing import Final, TypeVar


class JobState(StrEnum):
    #: Accepted; no worker has claimed it yet.
    QUEUED = "queued"
    #: A worker holds the lease and applies steps.
    RUNNING = "running"
    #: Parked until a time, an approval or an operator's word; holds no thread.
    WAITING = "waiting"
    #: All steps done, nothing left behind.
    SUCCEEDED = "succeeded"
    #: Steps are being undone, last one first.
    UNDOING = "undoing"
    #: A step failed before the pivot, or the workload was moved back; everything is as before.
    UNDONE = "undone"
    #: Undone because somebody asked for it.
    CANCELLED = "cancelled"
    #: An undo failed: the ledger names what is left, the reason what to do.
    UNDO_FAILED = "undo_failed"
    #: The job can neither go on nor go back by itself; the reason carries the remedy.
    NEEDS_ATTENTION = "needs_attention"


class StepState(StrEnum):
    PENDING = "pending"
    #: Intent is recorded: it may or may not have happened; probe decides.
    APPLYING = "applying"
    DONE = "done"
    #: Never to be applied in this job.
    SKIPPED = "skipped"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class ResourceState(StrEnum):
    """A line of the ledger of cloud objects a job makes."""

    #: Written before the cloud call; the object may exist.
    INTENDED = "intended"
    #: The object exists; its id is known.
    CREATED = "created"
    #: Deleted and seen to be gone.
    DELETED = "deleted"
    #: Stays on purpose (the fallback, the new server): no longer this job's to delete.
    KEPT = "kept"


_JOB: Final[dict[JobState, frozenset[JobState]]] = {
    # queued → needs_attention: its workers died before they could begin
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.WAITING, JobState.NEEDS_ATTENTION}),
    JobState.RUNNING: frozenset(
        {JobState.RUNNING, JobState.WAITING, JobState.SUCCEEDED, JobState.UNDOING, JobState.NEEDS_ATTENTION}
    ),
    JobState.WAITING: frozenset({JobState.RUNNING, JobState.UNDOING, JobState.NEEDS_ATTENTION}),
    JobState.UNDOING: frozenset(
        {
            JobState.UNDOING,
            # only the way back was undone: the job is in hold again
            JobState.RUNNING,
            JobState.UNDONE,
            JobState.CANCELLED,
            JobState.UNDO_FAILED,
            JobState.NEEDS_ATTENTION,
        }
    ),
    # an operator may order another try of what is stuck
    JobState.UNDO_FAILED: frozenset({JobState.UNDOING}),
    JobState.NEEDS_ATTENTION: frozenset({JobState.RUNNING, JobState.UNDOING}),
    JobState.SUCCEEDED: frozenset(),
    JobState.UNDONE: frozenset(),
    JobState.CANCELLED: frozenset(),
}

_STEP: Final[dict[StepState, frozenset[StepState]]] = {
    StepState.PENDING: frozenset({StepState.APPLYING, StepState.SKIPPED}),
    # applying → pending: probe proved that nothing has happened
    # applying → skipped: a job that is stuck at it goes on without it
    StepState.APPLYING: frozenset({StepState.DONE, StepState.PENDING, StepState.UNDOING, StepState.SKIPPED}),
    StepState.DONE: frozenset({StepState.UNDOING}),
    StepState.UNDOING: frozenset({StepState.UNDONE, StepState.UNDO_FAILED}),
    StepState.UNDO_FAILED: frozenset({StepState.UNDOING}),
    StepState.SKIPPED: frozenset(),
    StepState.UNDONE: frozenset(),
}

#: Nothing more happens to a job in one of these.
FINAL: Final = frozenset({JobState.SUCCEEDED, JobState.UNDONE, JobState.CANCELLED})
#: A worker may claim a job in one of these, once its lease is over and its time has come.
CLAIMABLE: Final = frozenset({JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.UNDOING})
#: At most one job per server is in one of these.
OPEN: Final = frozenset(set(JobState) - FINAL)
#: No worker touches a job in one of these until a person has said what to do.
STUCK: Final = (JobState.NEEDS_ATTENTION, JobState.UNDO_FAILED)
#: A line of the ledger in one of these may have something behind it in the cloud that is its job's to take away.
OPEN_LINE: Final = (ResourceState.INTENDED, ResourceState.CREATED)


S = TypeVar("S", JobState, StepState)


class IllegalTransition(ValueError):
    """A state was asked to follow one it may not follow: a defect of ours, never the user's."""


def advance(old: S, new: S) -> S:
    """Return ``new`` if it may follow ``old``; raise IllegalTransition otherwise."""
    table: dict[S, frozenset[S]] = _JOB if isinstance(old, JobState) else _STEP
    if new not in table[old]:
        raise IllegalTransition(f"{old} may not become {new}")
    return new
