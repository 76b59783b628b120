"""Transactions that lose against others are done again, wherever in them it comes to that."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Connection, Engine, insert, select, text, update

from liveupdate.db import session
from liveupdate.db.session import read, write
from liveupdate.db.tables import projects
from tests.waiting import PATIENCE, until

#: SQLite has one writer at a time.
DATABASES = ("mariadb", "postgresql")


def test_a_deadlock_behind_a_savepoint_is_one_like_any_other(database: Engine) -> None:
    """MariaDB takes the savepoint away with the transaction: who then goes back to it gets another error."""
    names = ("deadlock-a", "deadlock-b")
    write(database, lambda c: c.execute(insert(projects), [{"id": name, "turn": 0} for name in names]))
    both = Barrier(2)
    tries = dict.fromkeys(names, 0)

    def count_up(connection: Connection, name: str) -> None:
        connection.execute(update(projects).where(projects.c.id == name).values(turn=projects.c.turn + 1))

    def work(connection: Connection, mine: str, other: str) -> None:
        tries[mine] += 1
        count_up(connection, mine)
        if tries[mine] == 1:
            both.wait(PATIENCE)
        with connection.begin_nested():
            count_up(connection, other)

    with ThreadPoolExecutor(2) as threads:
        pairs = (names, names[::-1])
        done = [threads.submit(write, database, lambda c, p=pair: work(c, *p)) for pair in pairs]
        for each in done:
            each.result(60)
    with read(database) as connection:
        assert list(connection.scalars(select(projects.c.turn).where(projects.c.id.in_(names)))) == [2, 2]
    assert sorted(tries.values()) == [1, 2]


def test_a_connection_that_was_cut_while_it_rested_is_replaced(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_RESTED", 0.0)
    postgresql = database.dialect.name == "postgresql"
    # with one connection in its pool, which is the one that is cut
    engine = session.open_engine(database.url.render_as_string(hide_password=False))
    with read(engine) as connection:
        cut = {"cut": connection.scalar(text("SELECT pg_backend_pid()" if postgresql else "SELECT CONNECTION_ID()"))}
    shown = (
        "SELECT 1 FROM pg_stat_activity WHERE pid = :cut"
        if postgresql
        else "SELECT 1 FROM information_schema.processlist WHERE id = :cut"
    )

    def gone() -> bool:
        with read(database) as connection:
            return connection.execute(text(shown), cut).first() is None

    with read(database) as connection:
        connection.execute(text("SELECT pg_terminate_backend(:cut)" if postgresql else "KILL :cut"), cut)
    # it is told to go, and goes in its own time
    until(gone)
    with read(engine) as connection:
        assert connection.scalar(select(1)) == 1
    engine.dispose()
