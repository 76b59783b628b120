"""The outbox: which events are still to be told, and to whom. Nothing is told twice but after a crash in between.

An event is written untold, in the transaction of what it tells of. ``fan_out`` settles who is to hear of it, in one
transaction; ``claim`` gives one worker the head of one receiver's queue, in order, and ``settle`` takes out what that
has been told. A receiver whose head is not due yet rests: no other event of its queue overtakes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from liveupdate.db import clock, events, jobs, previews
from liveupdate.db.tables import deliveries
from liveupdate.db.tables import events as events_table
from liveupdate.db.tables import steps as steps_table
from liveupdate.errors import StoreError
from liveupdate.model import Happening

#: Seconds after which nobody is told of an event any more.
GIVE_UP_AFTER = 86400.0
#: Seconds until a receiver that did not take it is asked again, doubled each time.
_BACKOFF, _LONGEST = 5.0, 3600.0


@dataclass(frozen=True)
class Batch:
    """The head of one receiver's queue, claimed: nobody else tells it until the claim is over."""

    receiver: str
    happenings: Sequence[Happening]
    #: Times that the first of them has failed.
    attempts: int


def fan_out(
    connection: Connection, receivers: Callable[[Happening], Sequence[str]], limit: int = 200
) -> Sequence[Happening]:
    """Queue up to ``limit`` untold events, oldest first, for those who are to hear of them; return the events.

    Raises StoreError if another worker is at the same events.
    """
    query = select(events_table.c.id).where(events_table.c.untold == 1).order_by(events_table.c.id).limit(limit)
    identifiers = list(connection.scalars(query))
    if not identifiers:
        return []
    here = (events_table.c.id.in_(identifiers), events_table.c.untold == 1)
    if connection.execute(update(events_table).where(*here).values(untold=None)).rowcount != len(identifiers):
        raise StoreError("another worker tells these events", code="live-update.store.raced")
    happenings = _happenings(connection, identifiers)
    rows = [
        {"receiver": receiver, "event_id": happening.event.id, "attempts": 0, "due_at": 0}
        for happening in happenings
        for receiver in receivers(happening)
    ]
    if rows:
        connection.execute(insert(deliveries), rows)
    return happenings


def due(connection: Connection) -> Sequence[str]:
    """The receivers whose turn it is, the longest waiting first."""
    columns = (deliveries.c.receiver, func.min(deliveries.c.event_id).label("event_id"))
    heads = select(*columns).group_by(deliveries.c.receiver).subquery()
    head = (deliveries.c.receiver == heads.c.receiver) & (deliveries.c.event_id == heads.c.event_id)
    query = select(deliveries.c.receiver).join(heads, head).where(deliveries.c.due_at <= clock.now())
    return list(connection.scalars(query.order_by(deliveries.c.event_id)))


def claim(connection: Connection, receiver: str, seconds: float, limit: int = 50) -> Batch | None:
    """The head of the receiver's queue, for so many seconds; None if there is nothing to do, or another is at it."""
    query = select(deliveries.c.event_id, deliveries.c.attempts).where(deliveries.c.receiver == receiver)
    rows = connection.execute(query.order_by(deliveries.c.event_id).limit(limit)).all()
    if not rows:
        return None
    identifiers = [row.event_id for row in rows]
    head = (*_rows(receiver, identifiers[:1]), deliveries.c.due_at <= clock.now())
    until = {"due_at": clock.now() + clock.microseconds(seconds)}
    # who has the head has the queue: one that is not due keeps all others away
    if connection.execute(update(deliveries).where(*head).values(**until)).rowcount != 1:
        return None
    return Batch(receiver, _happenings(connection, identifiers), rows[0].attempts)


def settle(connection: Connection, batch: Batch, told: int, *, failed: bool) -> int:
    """Take out the first ``told`` of the batch; if the next one ``failed``, let the receiver rest.

    Returns how many events are given up, as too old to be told at all.
    """
    identifiers = [happening.event.id for happening in batch.happenings]
    if told:
        connection.execute(delete(deliveries).where(*_rows(batch.receiver, identifiers[:told])))
    if not failed:
        if told < len(identifiers):
            head = _rows(batch.receiver, identifiers[told : told + 1])
            connection.execute(update(deliveries).where(*head).values(due_at=0))
        return 0
    attempts = 0 if told else batch.attempts
    rest = clock.microseconds(min(_BACKOFF * 2**attempts, _LONGEST))
    old = select(events_table.c.id).where(events_table.c.at < clock.now() - clock.microseconds(GIVE_UP_AFTER))
    gone = delete(deliveries).where(deliveries.c.receiver == batch.receiver, deliveries.c.event_id.in_(old))
    given_up = connection.execute(gone).rowcount
    # the head as it is now: the failed one may be among those given up
    first = connection.scalar(select(func.min(deliveries.c.event_id)).where(deliveries.c.receiver == batch.receiver))
    if first is not None:
        values = {"attempts": min(attempts + 1, 30), "due_at": clock.now() + rest}
        connection.execute(update(deliveries).where(*_rows(batch.receiver, [first])).values(**values))
    return given_up


def _rows(receiver: str, identifiers: Sequence[int]) -> tuple[Any, ...]:
    return deliveries.c.receiver == receiver, deliveries.c.event_id.in_(identifiers)


def _happenings(connection: Connection, identifiers: Sequence[int]) -> Sequence[Happening]:
    found = select(events_table).where(events_table.c.id.in_(identifiers)).order_by(events_table.c.id)
    told = [events.value(row) for row in connection.execute(found).mappings()]
    job_ids = {event.job_id for event in told}
    whole, steps = jobs.several(connection, job_ids), _steps(connection, job_ids)
    foretold = previews.verdicts(connection, {job.preview_id for job in whole.values() if job.preview_id})
    return [
        Happening(e, job, *steps.get((e.job_id, e.step), ("", None)), foretold.get(job.preview_id or "", ""))
        for e in told
        for job in [whole[e.job_id]]
    ]


def _steps(connection: Connection, job_ids: set[str]) -> Mapping[tuple[str, str], tuple[str, datetime | None]]:
    """(job, id in its plan) → the step's name and beginning; the newest, where one was repeated."""
    columns = (steps_table.c.job_id, steps_table.c.spec_id, steps_table.c.step, steps_table.c.started_at)
    rows = connection.execute(
        select(*columns).where(steps_table.c.job_id.in_(job_ids)).order_by(steps_table.c.position)
    )
    return {(row.job_id, row.spec_id): (row.step, clock.as_datetime(row.started_at)) for row in rows}
