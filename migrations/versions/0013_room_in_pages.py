"""room in the pages of what is updated all the time"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # pages that are there keep what they have, and get room as their rows are written again
    if op.get_bind().dialect.name == "postgresql":
        for table in ("jobs", "steps"):
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")
