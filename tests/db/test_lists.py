"""A page costs what it shows, however deep it lies: counted in rows that the database reads."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, text

from liveupdate.db import events, jobs
from liveupdate.db.session import read, write
from liveupdate.db.tables import events as events_table
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.model import JobKind
from liveupdate.testing.jobs import accept, new_job

#: The one that would begin where the index begins, if it were not told; it also counts the rows that it reads.
DATABASES = ("mariadb",)
MANY, LIMIT = 3000, 20


@pytest.fixture
def filled(database: Engine) -> Engine:
    template = jobs._row(new_job(project_id="mine"))
    rows = [
        template
        | {"id": f"{n:036}", "open_server_id": None, **dict.fromkeys(("created_at", "updated_at", "wake_at"), n)}
        for n in range(MANY)
    ]
    write(database, lambda connection: connection.execute(insert(jobs_table), rows))
    return database


def rows_read(connection: Connection, work: Callable[[], object]) -> int:
    """By MariaDB's own count, in this session."""
    before = _count(connection)
    work()
    return _count(connection) - before


def _count(connection: Connection) -> int:
    return sum(int(row[1]) for row in connection.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'")))


@pytest.mark.parametrize("project_id", ["mine", None])
@pytest.mark.parametrize("key", ["created_at", "updated_at", "server_name"])
@pytest.mark.parametrize("filters", [{}, {"state": ("queued",)}])
def test_a_page_in_the_middle_reads_no_more_than_the_first(
    filled: Engine, project_id: str | None, key: str, filters: dict[str, Any]
) -> None:
    options: dict[str, Any] = {"project_id": project_id, "filters": filters, "limit": LIMIT, "sort": (key, True)}
    with read(filled) as connection:
        middle = f"{MANY // 2:036}"
        first = rows_read(connection, lambda: jobs.page(connection, JobKind.UPDATE, **options))
        deep = rows_read(connection, lambda: jobs.page(connection, JobKind.UPDATE, marker=middle, **options))
    assert deep <= first + 5


def test_events_after_the_last_seen_are_read_without_those_before(database: Engine) -> None:
    job_id = accept(database)
    event = {"job_id": job_id, "type": "test", "step": "", "detail": {}, "at": 0}
    write(database, lambda connection: connection.execute(insert(events_table), [event] * MANY))
    with read(database) as connection:
        last = events.of_job(connection, job_id, limit=MANY)[-1].id
        told = rows_read(connection, lambda: events.of_job(connection, job_id, after=last - 3))
    assert told <= 10
