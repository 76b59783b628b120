"""The schema's version: forward only, by Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

import liveupdate


def _config() -> Config:
    package = Path(liveupdate.__file__).parent
    # beside the package in a checkout, inside it when installed
    places = [package / "migrations", package.parent / "migrations"]
    config = Config()
    config.set_main_option("script_location", str(next(p for p in places if (p / "env.py").exists())))
    return config


def upgrade(engine: Engine) -> None:
    """Bring the schema to this release's version; a no-op if it is there."""
    config = _config()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def current(connection: Connection) -> str:
    """The version in the database; "" for an empty one."""
    return MigrationContext.configure(connection).get_current_revision() or ""


def wanted() -> str:
    return ScriptDirectory.from_config(_config()).get_current_head() or ""
