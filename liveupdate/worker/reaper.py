"""Takes away what ended jobs left to be taken away: their trusts, and their fallbacks once the time is over."""

import logging
from collections.abc import Callable

from sqlalchemy import Connection, Engine, select, update

from liveupdate.context import new_request_id
from liveupdate.db import fallbacks
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs
from liveupdate.errors import Conflict, LiveUpdateError, NotFound
from liveupdate.methods import fallback_expire
from liveupdate.states import FINAL
from liveupdate.worker.follow_ups import awaiting_capture

LOG = logging.getLogger(__name__)


def delete_trusts(engine: Engine, delete: Callable[[str], None]) -> int:
    """Delete the trusts of ended jobs and forget them; return how many. ``delete`` is a no-op for one that is gone."""
    with read(engine) as connection:
        # "greater than empty" walks the index over trusts, not the years of jobs that have none any more
        query = select(jobs.c.id, jobs.c.trust_id).where(jobs.c.trust_id > "", jobs.c.state.in_(FINAL))
        ended = [(row.id, row.trust_id) for row in connection.execute(query)]
        taken_over = awaiting_capture(connection)
    deleted = 0
    for job_id, trust_id in ended:
        if job_id in taken_over:
            continue
        try:
            delete(trust_id)
        except LiveUpdateError as error:
            LOG.warning("trust of job %s stays for now: %s", job_id, error.detail)
            continue
        write(engine, lambda connection, i=job_id: _forget(connection, i))  # type: ignore[misc]
        deleted += 1
    return deleted


def _forget(connection: Connection, job_id: str) -> None:
    """The trust, and what servers were told at their first boot: it may hold secrets."""
    parameters = connection.scalar(select(jobs.c.parameters).where(jobs.c.id == job_id)) or {}
    kept = {key: value for key, value in parameters.items() if key != "user_data"}
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(trust_id="", parameters=kept))


def end_fallbacks(engine: Engine) -> int:
    """Accept a job for each fallback whose time is over; return how many. Any number of workers may try at once."""
    with read(engine) as connection:
        over = fallbacks.due(connection)
    begun = 0
    for fallback in over:
        new = fallback_expire.new_job(fallback, "", new_request_id())
        try:
            write(engine, lambda connection, f=fallback, n=new: fallbacks.begin(connection, f, n))  # type: ignore[misc]
        except (Conflict, NotFound) as error:
            LOG.info("fallback %s: %s", fallback.id, error.detail)
            continue
        begun += 1
    return begun
