"""The migrations make exactly the tables that the code uses."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine

from liveupdate.db import schema, tables
from liveupdate.db.session import read


def test_migrations_equal_the_tables(database: Engine) -> None:
    with read(database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []


def test_the_version_in_the_database_is_the_one_wanted(database: Engine) -> None:
    with read(database) as connection:
        assert schema.current(connection) == schema.wanted() != ""
