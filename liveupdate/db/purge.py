"""Forgets history: ended jobs with their steps, ledger and events. Open jobs are never touched."""

from sqlalchemy import Connection, delete, exists, select

from liveupdate.db import clock
from liveupdate.db.tables import jobs, resources
from liveupdate.states import FINAL

_DAY = 86400


def purge(connection: Connection, days: float, limit: int = 1000) -> int:
    """Delete up to ``limit`` jobs that ended more than ``days`` ago; return how many. Trusts must be gone first."""
    before = clock.now() - clock.microseconds(days * _DAY)
    ended = (jobs.c.state.in_(FINAL), jobs.c.finished_at < before, jobs.c.trust_id == "")
    # the ledger of a job that keeps a fallback is what knows of it
    keeping = exists().where(resources.c.job_id == jobs.c.id, resources.c.keep_until.is_not(None))
    old = select(jobs.c.id).where(*ended, ~keeping)
    identifiers = list(connection.scalars(old.limit(limit)))
    if identifiers:
        connection.execute(delete(jobs).where(jobs.c.id.in_(identifiers)))
    return len(identifiers)
