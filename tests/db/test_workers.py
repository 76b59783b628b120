"""Which workers were seen lately, and what the figures read, on every database."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, delete, text

from liveupdate.db import tables, workers
from liveupdate.db.session import read, write
from liveupdate.testing.jobs import accept
from liveupdate.worker.figures import Stock

SECOND = 1_000_000


@pytest.fixture(autouse=True)
def none(database: Engine) -> Iterator[None]:
    yield
    write(database, lambda connection: connection.execute(delete(tables.workers)))


def seen(database: Engine, name: str) -> None:
    write(database, lambda connection: workers.seen(connection, name, "1.0"))


def age(database: Engine, seconds: float) -> None:
    statement = text(f"UPDATE workers SET seen_at = seen_at - {round(seconds * SECOND)}")  # noqa: S608
    write(database, lambda connection: connection.execute(statement))


def lately(database: Engine) -> dict[str, bool]:
    with read(database) as connection:
        return {worker.name: worker.alive for worker in workers.lately(connection)}


def test_a_worker_is_alive_as_long_as_it_is_seen(database: Engine) -> None:
    seen(database, "one")
    assert lately(database) == {"one": True}
    age(database, workers.ALIVE_WITHIN + 1)
    assert lately(database) == {"one": False}
    seen(database, "one")
    assert lately(database) == {"one": True}


def test_one_that_leaves_is_gone_and_one_that_fell_silent_is_forgotten_after_a_while(database: Engine) -> None:
    seen(database, "one")
    seen(database, "two")
    write(database, lambda connection: workers.gone(connection, "two"))
    age(database, workers.FORGET_AFTER + 1)
    seen(database, "three")
    assert lately(database) == {"three": True}


def test_the_figures_are_read(database: Engine) -> None:
    accept(database)
    write(database, lambda connection: connection.execute(text("UPDATE jobs SET wake_at = wake_at - 90000000")))
    told = {(s.name, s.labels.get("state")): s.value for family in Stock(database).collect() for s in family.samples}
    assert told["liveupdate_database_up", None] == 1
    assert told["liveupdate_jobs", "queued"] == 1
    assert 90 <= told["liveupdate_queue_age_seconds", None] < 150
