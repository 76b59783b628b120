"""Run by Alembic through liveupdate.db.schema: online only, on the connection it is given."""

from alembic import context

from liveupdate.db.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, compare_type=True)
with context.begin_transaction():
    context.run_migrations()
