"""What one turn of a job writes: the step that is settled, and the intent of the next one. Pure, like course.py."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from liveupdate.db import clock
from liveupdate.engine import course
from liveupdate.model import Job, Json, StepRow
from liveupdate.states import JobState, StepState, advance

#: What a job has of its steps.
_OF_STEPS = {"step", "progress", "deaths", "reason"}
#: Fields of a job that are the same in the database.
_AS_TOLD = {"step", "progress", "reason", "code", "remedy"}
_BEGUN = {StepState.APPLYING: "step.started", StepState.UNDOING: "step.undo_started"}


@dataclass(frozen=True)
class Settled:
    """A step that has been applied, with its ``result``, or has been undone: ``state`` says which."""

    row: StepRow
    state: StepState
    result: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Turn:
    """What comes next for a job: ``action`` with its row as it was, ``rows`` as they are with the intent recorded."""

    job: Job
    rows: Sequence[StepRow]
    action: course.Action


@dataclass(frozen=True)
class Entry:
    """A turn with what the journal gets of it: rows that have changed, fields of the job, events as (type, step)."""

    turn: Turn
    rows: Sequence[StepRow]
    job: Json
    events: Sequence[tuple[str, str]]

    def at(self, now: datetime, updated_at: datetime) -> Turn:
        """The turn of a step that is done, and one that begins, when it is known when that was."""
        done, intent = self.rows
        rows = _with(self.turn.rows, replace(done, finished_at=now), replace(intent, started_at=now))
        return Turn(replace(self.turn.job, updated_at=updated_at), rows, self.turn.action)

    @property
    def goes_on(self) -> bool:
        """Whether it is what almost all turns are: a step that is done, a new one that begins, and nothing else."""
        return [row.state for row in self.rows] == [StepState.DONE, StepState.APPLYING] and set(self.job) == _OF_STEPS


def entry(
    job: Job, rows: Sequence[StepRow], settled: Settled | None, now: datetime, *, leftovers: bool = False
) -> Entry:
    """``job`` and ``rows`` as they were before; ``leftovers``: see course.py."""
    changed: list[StepRow] = []
    told: dict[str, Any] = {}
    events: list[tuple[str, str]] = []
    if job.state in (JobState.QUEUED, JobState.WAITING):
        job = replace(job, state=advance(job.state, JobState.RUNNING))
        told["state"] = job.state
    if settled:
        done = settle(settled, now)
        rows = _with(rows, done)
        told |= progress(settled, rows)
        changed.append(done)
        events.append((f"step.{done.state}", done.spec.id))
    action = course.next_action(job, rows, now, leftovers=leftovers)
    if intent := _intent(action, now):
        rows = _with(rows, intent)
        told["step"] = intent.spec.id
        if intent.state == StepState.APPLYING:
            told["reason"] = ""
            if job.code or job.remedy:
                told |= {"code": "", "remedy": ""}
            if job.started_at is None:
                told["started_at"] = clock.from_datetime(now)
                job = replace(job, started_at=now)
                events.append(("job.started", ""))
        changed.append(intent)
        events.append((_BEGUN[intent.state], intent.spec.id))
    job = replace(job, **{name: value for name, value in told.items() if name in _AS_TOLD})
    return Entry(Turn(job, rows, action), changed, told, events)


def settle(settled: Settled, now: datetime) -> StepRow:
    state = advance(settled.row.state, settled.state)
    if state != StepState.DONE:
        return replace(settled.row, state=state, finished_at=now)
    # as it will be read: what a step is told must not depend on whether its worker has changed
    result = json.loads(json.dumps(dict(settled.result)))
    return replace(settled.row, state=state, finished_at=now, result=result, error={})


def progress(settled: Settled, rows: Sequence[StepRow]) -> Json:
    """What a job has of a step that is settled; ``rows`` as they are since."""
    return {"step": settled.row.spec.id, "progress": course.progress([r.state for r in rows]), "deaths": 0}


def _intent(action: course.Action, now: datetime) -> StepRow | None:
    """The row that the action begins, as it is to be; None if there is none, or it has begun before."""
    match action:
        case course.Apply(row) if row.state == StepState.PENDING:
            return replace(row, state=advance(row.state, StepState.APPLYING), started_at=now)
        case course.Undo(row) if row.state != StepState.UNDOING:
            return replace(row, state=advance(row.state, StepState.UNDOING), attempts=0)
    return None


def _with(rows: Sequence[StepRow], *changed: StepRow) -> Sequence[StepRow]:
    new = {row.position: row for row in changed}
    return [new.get(row.position, row) for row in rows]
