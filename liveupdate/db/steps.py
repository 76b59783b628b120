"""The journal's lines: one row per step of a job, in the order of the plan."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from liveupdate.db import clock
from liveupdate.db.tables import jobs, steps
from liveupdate.model import JobKind, StepRow, StepSpec
from liveupdate.states import JobState, StepState

#: Jobs that tell how long a step takes.
_LATEST = 5
#: Built once: workers read and write them all the time.
_OF_JOB = select(steps).where(steps.c.job_id == bindparam("of_job")).order_by(steps.c.position)
_PUT = update(steps).where(steps.c.job_id == bindparam("of_job"), steps.c.position == bindparam("at"))


def add(connection: Connection, job_id: str, specs: Iterable[StepSpec]) -> None:
    """Append pending rows after those that are there."""
    last = connection.scalar(select(func.max(steps.c.position)).where(steps.c.job_id == job_id))
    first = 0 if last is None else last + 1
    rows = [
        {
            "job_id": job_id,
            "position": first + offset,
            "spec_id": spec.id,
            "step": spec.step,
            "parameters": dict(spec.parameters),
            "state": StepState.PENDING,
            "attempts": 0,
            "result": {},
            "error": {},
        }
        for offset, spec in enumerate(specs)
    ]
    if rows:
        connection.execute(insert(steps), rows)


def of_job(connection: Connection, job_id: str) -> Sequence[StepRow]:
    found = connection.execute(_OF_JOB, {"of_job": job_id})
    return [_value(row) for row in found.mappings()]


def put(connection: Connection, rows: Sequence[StepRow]) -> None:
    """Write down all that a worker changes of a step."""
    changed = [
        {
            "of_job": row.job_id,
            "at": row.position,
            "state": row.state,
            "attempts": row.attempts,
            "result": dict(row.result),
            "error": dict(row.error),
            "started_at": clock.from_datetime(row.started_at),
            "finished_at": clock.from_datetime(row.finished_at),
        }
        for row in rows
    ]
    connection.execute(_PUT, changed)


def change(connection: Connection, row: StepRow, **values: Any) -> None:
    connection.execute(_PUT, {"of_job": row.job_id, "at": row.position, **values})


def skip(connection: Connection, rows: Sequence[StepRow]) -> None:
    if rows:
        here = [{"of_job": row.job_id, "at": row.position, "state": StepState.SKIPPED} for row in rows]
        connection.execute(_PUT, here)


def typical(connection: Connection, method: str) -> dict[str, float]:
    """Step id → seconds that it took, waiting included: the median of the method's latest jobs that succeeded."""
    ended = (jobs.c.method == method, jobs.c.state == JobState.SUCCEEDED, jobs.c.kind == JobKind.UPDATE)
    latest = select(jobs.c.id).where(*ended).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(_LATEST)
    done = (steps.c.job_id.in_(list(connection.scalars(latest))), steps.c.state == StepState.DONE)
    took: dict[str, list[float]] = {}
    for row in connection.execute(select(steps.c.spec_id, steps.c.started_at, steps.c.finished_at).where(*done)):
        took.setdefault(row.spec_id, []).append((row.finished_at - row.started_at) / clock.SECOND)
    return {step: median(seconds) for step, seconds in took.items()}


def get(connection: Connection, job_id: str, position: int) -> StepRow:
    query = select(steps).where(steps.c.job_id == job_id, steps.c.position == position)
    return _value(connection.execute(query).mappings().one())


def _value(row: Any) -> StepRow:
    started, finished = row["started_at"], row["finished_at"]
    return StepRow(
        job_id=row["job_id"],
        position=row["position"],
        spec=StepSpec(row["spec_id"], row["step"], row["parameters"]),
        state=StepState(row["state"]),
        attempts=row["attempts"],
        result=row["result"],
        error=row["error"],
        started_at=clock.as_datetime(started),
        finished_at=clock.as_datetime(finished),
        seconds=None if started is None or finished is None else (finished - started) / clock.SECOND,
    )
