"""Where a job goes next: a pure function of its journal. Every rule about order, pivot and undo is here."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from liveupdate.errors import LiveUpdateError
from liveupdate.model import Job, StepRow
from liveupdate.planning import windows
from liveupdate.states import JobState, StepState


@dataclass(frozen=True)
class Apply:
    """Apply this step, after a probe if it may have happened already."""

    row: StepRow


@dataclass(frozen=True)
class Undo:
    row: StepRow


@dataclass(frozen=True)
class TurnBack:
    """Begin undoing; ``outcome`` is what it ends in."""

    outcome: str
    reason: str
    error: LiveUpdateError | None = None


@dataclass(frozen=True)
class Wait:
    """Not yet: rest until the time has come, or (None) until somebody speaks."""

    until: datetime | None
    reason: str


@dataclass(frozen=True)
class Sweep:
    """Every step is undone, or its undo has ``failed``: take away what is behind the ledger's open lines."""

    failed: tuple[StepRow, ...] = ()


@dataclass(frozen=True)
class MoveBack:
    """Append the plan's way back: the workload returns to the original, live."""


@dataclass(frozen=True)
class HoldAgain:
    """The way back was undone: the workload is on the surrogate, the job goes on from hold."""


@dataclass(frozen=True)
class End:
    """Nothing is left to do: the job takes this final state."""

    state: JobState


Action = Apply | Undo | TurnBack | Wait | MoveBack | HoldAgain | Sweep | End

#: States of a step that has left, or may have left, something behind.
_TOUCHED = (StepState.APPLYING, StepState.DONE, StepState.UNDOING, StepState.UNDO_FAILED)
_ENDS = {"undone": JobState.UNDONE, "cancelled": JobState.CANCELLED}


def next_action(job: Job, rows: Sequence[StepRow], now: datetime, *, leftovers: bool = False) -> Action:
    """``rows``: the job's journal in order of position. ``leftovers``: its ledger has open lines."""
    if job.state == JobState.UNDOING:
        return _undo(job, rows, leftovers)
    if job.cancel_requested and not job.plan.pivot_begun(rows):
        return TurnBack("cancelled", "cancelled on request")
    if job.deadline and job.deadline <= now and not job.plan.pivot_begun(rows):
        late = _too_late(job)
        return TurnBack("undone", late.detail, late)
    way_back = _way_back(job, rows)
    if way_back:
        pending = [r for r in way_back if r.state != StepState.DONE]
        return Apply(pending[0]) if pending else TurnBack("undone", "moved back to the original on request")
    open_rows = [r for r in rows if r.state in (StepState.PENDING, StepState.APPLYING)]
    if not open_rows:
        return End(JobState.SUCCEEDED)
    if job.decision == "rollback" and job.plan.may_move_back(rows):
        return MoveBack()
    row = open_rows[0]
    wait = _not_yet(job, row, now) if row.state == StepState.PENDING else None
    return wait or Apply(row)


def _not_yet(job: Job, row: StepRow, now: datetime) -> Wait | None:
    """What the job waits for before the step ``row``."""
    if job.approval == "needed":
        return Wait(None, "waits for the approval of somebody else than its requester")
    if job.paused and row.spec.id not in job.plan.together[1:]:
        return Wait(None, "paused")
    first = row.position == 0
    if first and job.not_before and job.not_before > now:
        return Wait(job.not_before, f"waits until {job.not_before.isoformat(timespec='seconds')}")
    if job.window and (first or row.spec.id in job.plan.together[:1]):
        opens = windows.parse(job.window).next(now)
        if opens > now:
            return Wait(opens, f"waits for its maintenance window at {opens.isoformat(timespec='seconds')}")
    return None


def _too_late(job: Job) -> LiveUpdateError:
    assert job.deadline  # noqa: S101 - only called for one that has passed
    return LiveUpdateError(
        f"its deadline, {job.deadline.isoformat(timespec='seconds')}, came before its pivot",
        code="live-update.job.deadline-passed",
        remedy="create it again with a later deadline",
    )


def _undo(job: Job, rows: Sequence[StepRow], leftovers: bool) -> Action:
    only = {s.id for s in job.plan.back} if job.outcome == "hold" else {s.id for s in job.plan.steps}
    touched = [r for r in rows if r.spec.id in only and r.state in _TOUCHED]
    failed = [r for r in touched if r.state == StepState.UNDO_FAILED and goes_on_without(job, r)]
    if at_hand := [r for r in touched if r not in failed]:
        return Undo(at_hand[-1])
    if failed:
        return Sweep(tuple(failed))
    if job.outcome == "hold":
        return HoldAgain()
    return Sweep() if leftovers else End(_ENDS[job.outcome])


def goes_on_without(job: Job, failed: StepRow) -> bool:
    """Whether the steps before this one are undone though its own undo has ``failed``.

    Only if somebody has asked for cleanup, and not past a step that touches the workload: nothing that it may need is
    taken away while nobody knows where it is.
    """
    return job.decision == "cleanup" and job.outcome != "hold" and failed.spec.id not in job.plan.together


def _way_back(job: Job, rows: Sequence[StepRow]) -> list[StepRow]:
    """The rows of the way back that is under way; one that was undone is history."""
    back = {s.id for s in job.plan.back}
    settled = (StepState.UNDONE, StepState.SKIPPED)
    return [r for r in rows if r.spec.id in back and r.state not in settled]


def undo_after_failure(job: Job, rows: Sequence[StepRow], failed: StepRow, *, lost: bool = False) -> str | None:
    """What the failure of ``failed`` (known not to have happened) leads to: an outcome of undoing, or None: only
    forward is left, and a person is needed. ``lost``: see errors.Lost."""
    if lost:
        return "undone"
    if failed.spec.id in {s.id for s in job.plan.back}:
        done = {r.spec.id for r in _way_back(job, rows) if r.state == StepState.DONE}
        return None if job.plan.back_pivot in done else "hold"
    return None if job.plan.pivot_passed(rows) else "undone"


def progress(states: Sequence[StepState]) -> int:
    """Percent of the steps that are done or will never be."""
    settled = sum(state in (StepState.DONE, StepState.SKIPPED) for state in states)
    return 100 * settled // len(states) if states else 100
