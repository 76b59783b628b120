"""The outbox: nothing is lost, nothing overtakes, one worker at a time, who refuses holds up nobody else."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, Engine, func, select, update

from liveupdate.db import clock, deliveries, events
from liveupdate.db.deliveries import Batch
from liveupdate.db.session import read, write
from liveupdate.db.tables import deliveries as table
from liveupdate.db.tables import events as events_table
from liveupdate.errors import StoreError
from liveupdate.model import Happening
from liveupdate.testing.jobs import accept

HOUR = 3600.0


def to(*receivers: str) -> Callable[[Happening], Sequence[str]]:
    return lambda happening: receivers


def happens(engine: Engine, job_id: str, *types: str) -> None:
    def work(connection: Connection) -> None:
        for type in types:
            events.add(connection, job_id, type)

    write(engine, work)


def fan_out(engine: Engine, *receivers: str, limit: int = 200) -> list[str]:
    return [h.event.type for h in write(engine, lambda c: deliveries.fan_out(c, to(*receivers), limit))]


def due(engine: Engine) -> Sequence[str]:
    with read(engine) as connection:
        return deliveries.due(connection)


def claim(engine: Engine, receiver: str) -> Batch | None:
    return write(engine, lambda connection: deliveries.claim(connection, receiver, HOUR))


def types(batch: Batch | None) -> list[str]:
    return [] if batch is None else [h.event.type for h in batch.happenings]


def settle(engine: Engine, batch: Batch | None, told: int, *, failed: bool = False) -> int:
    assert batch is not None
    return write(engine, lambda connection: deliveries.settle(connection, batch, told, failed=failed))


def make_due(engine: Engine) -> None:
    write(engine, lambda connection: connection.execute(update(table).values(due_at=0)))


def left(engine: Engine) -> int:
    with read(engine) as connection:
        return int(connection.scalar(select(func.count()).select_from(table)) or 0)


@pytest.fixture
def job_id(database: Engine) -> str:
    """A job whose acceptance is told already."""
    made = accept(database)
    assert fan_out(database) == ["job.created"]
    return made


def test_every_event_is_looked_at_once_in_order(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a", "b", "c")
    assert fan_out(database, limit=2) == ["a", "b"]
    assert fan_out(database) == ["c"]
    assert fan_out(database) == []


def test_each_receiver_is_told_all_in_order(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a", "b")
    fan_out(database, "bus", "hook")
    assert sorted(due(database)) == ["bus", "hook"]
    batch = claim(database, "bus")
    assert types(batch) == ["a", "b"]
    settle(database, batch, 2)
    assert due(database) == ["hook"]
    assert claim(database, "bus") is None


def test_what_one_has_claimed_no_other_gets_and_nothing_overtakes_it(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a")
    fan_out(database, "bus")
    assert types(claim(database, "bus")) == ["a"]
    happens(database, job_id, "b")
    fan_out(database, "bus")
    assert due(database) == []
    assert claim(database, "bus") is None


def test_a_worker_that_dies_in_between_is_followed_by_one_that_tells_it(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a")
    fan_out(database, "bus")
    claim(database, "bus")
    make_due(database)
    assert types(claim(database, "bus")) == ["a"]


def test_what_a_worker_had_no_time_for_is_due_at_once(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a", "b")
    fan_out(database, "bus")
    settle(database, claim(database, "bus"), 1)
    assert types(claim(database, "bus")) == ["b"]


def test_who_refuses_rests_longer_each_time_and_holds_up_nobody_else(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a", "b")
    fan_out(database, "bus", "hook")
    waits = []
    for _ in range(3):
        settle(database, claim(database, "hook"), 0, failed=True)
        assert due(database) == ["bus"]
        with read(database) as connection:
            head = select(table.c.due_at - clock.now()).where(table.c.receiver == "hook").order_by(table.c.event_id)
            waits.append(round((connection.scalar(head.limit(1)) or 0) / clock.SECOND))
        make_due(database)
    assert waits == [5, 10, 20]
    # once it has taken one, it is as good as new
    settle(database, claim(database, "hook"), 1, failed=True)
    make_due(database)
    batch = claim(database, "hook")
    assert batch is not None
    assert (types(batch), batch.attempts) == (["b"], 1)


def test_what_nobody_took_for_a_day_is_given_up(database: Engine, job_id: str) -> None:
    happens(database, job_id, "old")
    old = clock.microseconds(deliveries.GIVE_UP_AFTER + 60)
    write(database, lambda c: c.execute(update(events_table).values(at=events_table.c.at - old)))
    happens(database, job_id, "new")
    fan_out(database, "hook")
    assert settle(database, claim(database, "hook"), 0, failed=True) == 1
    make_due(database)
    assert types(claim(database, "hook")) == ["new"]


def test_an_event_knows_its_job_and_its_step(database: Engine, job_id: str) -> None:
    write(database, lambda connection: events.add(connection, job_id, "step.started", "copy"))
    [happening] = write(database, lambda connection: deliveries.fan_out(connection, to()))
    assert (happening.job.id, happening.step, happening.step_seconds) == (job_id, "copy", None)


def test_many_workers_queue_each_event_once(database: Engine, job_id: str) -> None:
    happens(database, job_id, *(f"e{n}" for n in range(40)))

    def work(_: int) -> int:
        try:
            return len(fan_out(database, "bus", limit=10))
        except StoreError:
            return 0

    found = 0
    with ThreadPoolExecutor(4) as threads:
        while some := sum(threads.map(work, range(4))):
            found += some
    assert (found, left(database)) == (40, 40)


def test_history_that_is_purged_is_not_told(database: Engine, job_id: str) -> None:
    happens(database, job_id, "a")
    fan_out(database, "bus")
    from sqlalchemy import delete

    from liveupdate.db.tables import jobs

    write(database, lambda connection: connection.execute(delete(jobs)))
    assert left(database) == 0
