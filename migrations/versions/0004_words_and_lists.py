"""words and lists"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NEW = (
    ("project_id", "kind", "created_at", "id"),
    ("project_id", "kind", "updated_at", "id"),
    ("project_id", "kind", "server_name", "id"),
    ("project_id", "kind", "state", "created_at", "id"),
    ("kind", "created_at", "id"),
    ("kind", "updated_at", "id"),
    ("kind", "server_name", "id"),
    ("kind", "state", "created_at", "id"),
    ("method", "state", "created_at", "id"),
)
_OLD = ("project_id_created_at_id", "project_id_updated_at_id", "created_at_id", "updated_at_id")


def upgrade() -> None:
    op.add_column("jobs", sa.Column("not_before", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("window", sa.String(length=64), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("approval", sa.String(length=16), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("approved_by", sa.String(length=64), server_default="", nullable=False))
    op.add_column("jobs", sa.Column("paused", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("jobs", sa.Column("preview_id", sa.String(length=36), nullable=True))
    op.create_table(
        "projects",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    for columns in _NEW:
        op.create_index(op.f(f"ix_jobs_{'_'.join(columns)}"), "jobs", list(columns), unique=False)
    for name in _OLD:
        op.drop_index(op.f(f"ix_jobs_{name}"), table_name="jobs")
