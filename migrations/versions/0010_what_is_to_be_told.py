"""what is to be told"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # what happened before this release is told to nobody: NULL
    op.add_column("events", sa.Column("untold", sa.SmallInteger(), nullable=True))
    op.create_index(op.f("ix_events_untold_id"), "events", ["untold", "id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("receiver", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["events.id"], name=op.f("fk_deliveries_event_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("receiver", "event_id", name=op.f("pk_deliveries")),
    )
