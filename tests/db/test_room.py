"""On PostgreSQL, what a job's turns write all the time has room in its pages: no comparison of schemas sees that."""

from sqlalchemy import Engine, text

from liveupdate.db import tables
from liveupdate.db.session import read

DATABASES = ("postgresql",)


def test_the_migrations_leave_the_room_that_the_tables_ask_for(database: Engine) -> None:
    with read(database) as connection:
        found = connection.execute(text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'"))
        has = {row.relname: row.reloptions for row in found if row.reloptions}
    options = {table.name: table.dialect_options["postgresql"].get("with") for table in tables.metadata.sorted_tables}
    assert has == {name: [f"{k}={v}" for k, v in asked.items()] for name, asked in options.items() if asked}
    assert set(has) == {"jobs", "steps"}
