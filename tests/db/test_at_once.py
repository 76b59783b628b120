"""A statement that is a transaction of its own, on a connection that others use after it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, insert, select, text

from liveupdate.db import session
from liveupdate.db.session import at_once, read, write
from liveupdate.db.tables import projects

DATABASES = ("postgresql",)
_ADD = "INSERT INTO projects (id, turn) VALUES (%(id)s, 0) RETURNING id"


@pytest.fixture
def engine(database: Engine) -> Iterator[Engine]:
    """With one connection in its pool."""
    engine = session.open_engine(database.url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def test_it_is_committed_and_what_follows_on_its_connection_is_a_transaction_again(
    engine: Engine, database: Engine
) -> None:
    assert at_once(engine, _ADD, {"id": "at-once"}) == ("at-once",)

    def fails(connection: Connection) -> None:
        connection.execute(insert(projects).values(id="never", turn=0))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(engine, fails)
    with read(database) as connection:
        found = connection.scalars(select(projects.c.id).where(projects.c.id.in_(("at-once", "never"))))
        assert list(found) == ["at-once"]


def test_what_finds_nothing_returns_none(engine: Engine) -> None:
    assert at_once(engine, "SELECT id FROM projects WHERE id = %(id)s", {"id": "nobody"}) is None


def test_a_database_that_goes_away_in_it_is_told_like_any_that_is_away(engine: Engine) -> None:
    with pytest.raises(session.AWAY):
        at_once(engine, "SELECT pg_terminate_backend(pg_backend_pid())", {})
    assert at_once(engine, "SELECT 1", {}) == (1,)


def test_one_that_loses_a_race_is_done_again(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("CREATE SEQUENCE tries"))
        connection.execute(
            text(
                "CREATE FUNCTION loses_once() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE tried bigint; BEGIN"
                " tried := nextval('tries'); IF tried = 1 THEN RAISE serialization_failure; END IF; RETURN tried;"
                " END $$"
            )
        )
    assert at_once(engine, "SELECT loses_once()", {}) == (2,)
