"""Who holds a job, and what its holder writes to it, under the condition that it holds it still.

``held`` is the claim: "of_job", "by" (its owner), "at_fence", and "so_long", the microseconds that a write prolongs the
lease by.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    Update,
    bindparam,
    case,
    insert,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.engine import make_url

from liveupdate.db import clock, events, steps
from liveupdate.db.jobs import GRAIN, LATER
from liveupdate.db.session import at_once, write
from liveupdate.db.tables import events as events_table
from liveupdate.db.tables import jobs
from liveupdate.db.tables import steps as steps_table
from liveupdate.model import Json, StepRow
from liveupdate.states import CLAIMABLE, StepState

_ITS = jobs.c.id == bindparam("of_job")
_MINE = (
    _ITS,
    jobs.c.lease_owner == bindparam("by"),
    jobs.c.fence == bindparam("at_fence"),
    jobs.c.lease_until > clock.now(),
)
_AS_KNOWN = jobs.c.updated_at == bindparam("as_of")
_PROLONGED = {"lease_until": clock.now() + bindparam("so_long", type_=BigInteger)}
#: A job whose time has come.
_FREE = (jobs.c.state.in_(CLAIMABLE), jobs.c.lease_until <= clock.now(), jobs.c.wake_at <= clock.now())
#: Built once, like the others: workers write them all the time.
_OF_DUE = [jobs.c[name] for name in ("id", "fence", "lease_owner", "lease_until", "deaths")]
_DUE = select(*_OF_DUE).where(*_FREE).order_by(jobs.c.wake_at).limit(8)
_TAKE = (
    update(jobs)
    .where(_ITS, jobs.c.fence == bindparam("at_fence"), *_FREE)
    .values(**_PROLONGED, lease_owner=bindparam("by"), fence=jobs.c.fence + 1, deaths=bindparam("died"))
)
_HOLD = update(jobs).where(*_MINE).values(_PROLONGED)
_HOLD_AS_KNOWN = _HOLD.where(_AS_KNOWN)
_CHANGE = update(jobs).where(_ITS).values(updated_at=LATER)
#: If the job is as it was and its time is not up.
_GO_ON = (
    update(jobs)
    .where(*_MINE, _AS_KNOWN)
    .where(or_(jobs.c.deadline.is_(None), jobs.c.deadline > clock.now()))
    .values(**_PROLONGED, step=bindparam("to_step"), progress=bindparam("so_far"))
    .values(
        updated_at=case(
            (jobs.c.updated_at < clock.now() - literal_column(str(GRAIN)), clock.now()), else_=jobs.c.updated_at
        )
    )
    .values(reason=literal_column("''"), deaths=literal_column("0"))
)
#: When it was: the time of a change is the job's own.
_WHEN: dict[Update, tuple[ColumnElement[int], ...]] = {
    _HOLD: (clock.now(),),
    _HOLD_AS_KNOWN: (clock.now(),),
    _CHANGE: (jobs.c.updated_at,),
    _GO_ON: (jobs.c.lease_until, jobs.c.updated_at),
}
_RETURNING = {statement: statement.returning(*when) for statement, when in _WHEN.items()}
_ASKED = {statement: select(*when).select_from(jobs).where(_ITS) for statement, when in _WHEN.items()}
_DONE, _BEGUN = f"step.{StepState.DONE}", "step.started"


def due(connection: Connection) -> Sequence[RowMapping]:
    """Some of the jobs whose time has come, the one that waits longest first, as far as claiming needs them."""
    return connection.execute(_DUE).mappings().all()


def take(connection: Connection, job: RowMapping, owner: str, lease: float, deaths: int) -> bool:
    """Claim a job that was due, for so many seconds; whether nobody else was sooner."""
    told = {"of_job": job["id"], "at_fence": job["fence"], "so_long": clock.microseconds(lease), "by": owner}
    return connection.execute(_TAKE, {**told, "died": deaths}).rowcount == 1


def hold(connection: Connection, held: Json) -> datetime | None:
    """Prolong the lease, and lock the job until this transaction ends; now, or None: it is held no more."""
    return _at(connection, _HOLD, held)


def hold_as_known(connection: Connection, held: Json, as_of: datetime) -> datetime | None:
    """The same, if the job has not changed since ``as_of``."""
    return _at(connection, _HOLD_AS_KNOWN, {**held, "as_of": clock.from_datetime(as_of)})


def change(connection: Connection, job_id: str, values: Json) -> datetime:
    """Set fields of a job that is held; when, by the database's clock."""
    at = _at(connection, _CHANGE, {"of_job": job_id, **values})
    assert at is not None  # noqa: S101 - jobs do not go away
    return at


def go_on(
    engine: Engine, held: Json, as_of: datetime, progress: int, done: StepRow, intent: StepRow
) -> tuple[datetime, datetime] | None:
    """Write down that the step ``done`` is, and that ``intent`` begins, if the job is held and has not changed since
    ``as_of``; when, by the database's clock, and the job's ``updated_at``; or None: nothing was written.
    """
    values = {**held, "as_of": clock.from_datetime(as_of), "to_step": intent.spec.id, "so_far": progress}
    if engine.dialect.name == "postgresql":
        places = {"done": done.position, "done_result": json.dumps(done.result), "begun": intent.position}
        return _times(at_once(engine, _AT_ONCE, values | places), held)

    def work(connection: Connection) -> tuple[datetime, datetime] | None:
        told = _times(_changed(connection, _GO_ON, values), held)
        if told is not None:
            now, _ = told
            steps.put(connection, [replace(done, finished_at=now), replace(intent, started_at=now)])
            events.add_all(connection, done.job_id, [(_DONE, done.spec.id, {}), (_BEGUN, intent.spec.id, {})])
        return told

    return write(engine, work)


def _times(told: Sequence[int] | None, held: Json) -> tuple[datetime, datetime] | None:
    """Now, and the time of change, of what a turn has returned of its job."""
    if told is None:
        return None
    lease_until, updated_at = told
    return clock.as_datetime(lease_until - held["so_long"]), clock.as_datetime(updated_at)


def _at(connection: Connection, statement: Update, values: Json) -> datetime | None:
    """When the job was changed, by the database's clock; None: it was not."""
    told = _changed(connection, statement, values)
    return None if told is None else clock.as_datetime(told[0])


def _changed(connection: Connection, statement: Update, values: Json) -> Sequence[int] | None:
    """The times (_WHEN) of a job that was changed; None: it was not."""
    if connection.dialect.update_returning:
        return connection.execute(_RETURNING[statement], values).one_or_none()
    if connection.execute(statement, values).rowcount == 0:
        return None
    return connection.execute(_ASKED[statement], values).one()


def _at_once() -> Select[int, int]:
    """All that go_on writes, which PostgreSQL can do at once: it goes by the row of the job that was changed."""
    job = _GO_ON.returning(jobs.c.id, *_WHEN[_GO_ON]).cte("job")
    now = job.c.lease_until - bindparam("so_long")

    def put(name: str, state: StepState, **values: Any) -> CTE:
        here = (steps_table.c.job_id == job.c.id, steps_table.c.position == bindparam(name))
        changed = update(steps_table).where(*here).values(state=_text(state), **values)
        return changed.returning(steps_table.c.job_id, steps_table.c.spec_id).cte(name)

    def told(step: CTE, type: str) -> Select[Any]:
        return select(step.c.job_id, _text(type), step.c.spec_id, _NOTHING, clock.now(), literal_column("1"))

    result = bindparam("done_result", type_=JSON)
    done = put("done", StepState.DONE, result=result, error=_NOTHING, finished_at=now)
    begun = put("begun", StepState.APPLYING, started_at=now)
    both = union_all(told(done, _DONE), told(begun, _BEGUN))
    events = insert(events_table).from_select(("job_id", "type", "step", "detail", "at", "untold"), both)
    return select(job.c.lease_until, job.c.updated_at).add_cte(done, begun, events.cte("told"))


def _text(constant: str) -> ColumnElement[str]:
    return literal_column(f"'{constant}'")


_NOTHING: ColumnElement[Json] = literal_column("CAST('{}' AS JSON)")
_AT_ONCE = str(_at_once().compile(dialect=make_url("postgresql+psycopg://").get_dialect()()))
