"""What happened to a job, oldest first; written in the same transaction as the state it tells of."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from liveupdate.db import clock
from liveupdate.db.reading import along
from liveupdate.db.tables import events
from liveupdate.model import Event, Json

#: Built once: a worker adds two for each step.
_ADD = insert(events).values(at=clock.now(), untold=1)


def add(connection: Connection, job_id: str, type: str, step: str = "", detail: Json | None = None) -> None:
    connection.execute(_ADD, {"job_id": job_id, "type": type, "step": step, "detail": dict(detail or {})})


def add_all(connection: Connection, job_id: str, told: Iterable[tuple[str, str, Json]]) -> None:
    """Each as (type, step, detail), in this order."""
    rows = [{"job_id": job_id, "type": type, "step": step, "detail": dict(detail)} for type, step, detail in told]
    connection.execute(_ADD, rows)


def of_job(connection: Connection, job_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
    """Events with an id above ``after``."""
    query = select(events).where(events.c.job_id == job_id, events.c.id > after).order_by(events.c.id).limit(limit)
    query = along(query, events, "ix_events_job_id_id")
    return [value(row) for row in connection.execute(query).mappings()]


def newest(connection: Connection, job_id: str, type: str) -> Event | None:
    query = select(events).where(events.c.job_id == job_id, events.c.type == type).order_by(events.c.id.desc()).limit(1)
    row = connection.execute(query).mappings().one_or_none()
    return value(row) if row else None


def last_word(connection: Connection, job_id: str) -> str:
    """The type of the newest event that tells what somebody asked of the job; "" if nobody did."""
    asked = select(events.c.type).where(events.c.job_id == job_id, events.c.type.endswith("_requested"))
    return connection.scalar(asked.order_by(events.c.id.desc()).limit(1)) or ""


def value(row: Any) -> Event:
    at = clock.as_datetime(row["at"])
    assert at is not None  # noqa: S101 - the column is NOT NULL
    return Event(row["id"], row["job_id"], row["type"], row["step"], row["detail"], at)
