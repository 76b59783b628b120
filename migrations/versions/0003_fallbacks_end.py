"""fallbacks end"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_DAY = 86400 * 1_000_000
_DEFAULT_DAYS = 7


def upgrade() -> None:
    op.add_column("jobs", sa.Column("fallback_id", sa.String(length=36), nullable=True))
    op.create_index(op.f("ix_jobs_fallback_id"), "jobs", ["fallback_id"], unique=False)
    op.create_index(op.f("ix_jobs_server_id"), "jobs", ["server_id"], unique=False)
    op.add_column("resources", sa.Column("keep_until", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_resources_state_keep_until"), "resources", ["state", "keep_until"], unique=False)
    op.create_index(op.f("ix_resources_cloud_id"), "resources", ["cloud_id"], unique=False)
    _end_those_that_are_kept_already()


def _end_those_that_are_kept_already() -> None:
    """Until now nothing said when the snapshots of ended jobs may go. Old boot volumes bear no mark yet: they stay."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("finished_at"), sa.column("parameters", sa.JSON()))
    names = ("job_id", "kind", "role", "state", "keep_until")
    resources = sa.table("resources", *(sa.column(name) for name in names))
    kept = (resources.c.state == "kept", resources.c.kind == "snapshot", resources.c.role.like("fallback%"))
    bind = op.get_bind()
    of = sa.select(resources.c.job_id).where(*kept)
    ended = sa.select(jobs).where(jobs.c.finished_at.is_not(None), jobs.c.id.in_(of))
    for job in bind.execute(ended).all():
        days = job.parameters.get("keep_fallback_days")
        until = job.finished_at + (_DEFAULT_DAYS if days is None else days) * _DAY
        bind.execute(sa.update(resources).where(resources.c.job_id == job.id, *kept).values(keep_until=until))
