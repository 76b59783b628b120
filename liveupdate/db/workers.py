"""The workers that have been seen lately: for operators, and for who counts deaths. Leases tell who works on what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select, update

from liveupdate.db import clock
from liveupdate.db.tables import workers

#: Seconds after which a worker that is not seen is not alive, and after which nobody remembers it.
ALIVE_WITHIN, FORGET_AFTER = 60.0, 86400.0


@dataclass(frozen=True)
class Seen:
    name: str
    version: str
    started_at: datetime
    seen_at: datetime
    alive: bool


def seen(connection: Connection, name: str, version: str) -> None:
    at = clock.now()
    if connection.execute(update(workers).where(workers.c.name == name).values(seen_at=at)).rowcount == 0:
        connection.execute(insert(workers).values(name=name, version=version, started_at=at, seen_at=at))
        old = workers.c.seen_at < clock.now() - clock.microseconds(FORGET_AFTER)
        connection.execute(delete(workers).where(old))


def gone(connection: Connection, name: str) -> None:
    connection.execute(delete(workers).where(workers.c.name == name))


def seen_after(connection: Connection, name: str, at: int) -> bool:
    """``at``: by the database's clock, as it is stored."""
    query = select(workers.c.name).where(workers.c.name == name, workers.c.seen_at > at)
    return connection.execute(query).first() is not None


def lately(connection: Connection) -> Sequence[Seen]:
    alive = (workers.c.seen_at > clock.now() - clock.microseconds(ALIVE_WITHIN)).label("alive")
    found = []
    for row in connection.execute(select(workers, alive).order_by(workers.c.name)):
        started, last = clock.as_datetime(row.started_at), clock.as_datetime(row.seen_at)
        assert started is not None and last is not None  # noqa: S101, PT018 - the columns are NOT NULL
        found.append(Seen(row.name, row.version, started, last, bool(row.alive)))
    return found
