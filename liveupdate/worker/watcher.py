"""Waiting is shared: one list of the cloud's servers per interval wakes every job whose server changed."""

import logging
from collections.abc import Callable, Mapping

from sqlalchemy import Engine, select, update

from liveupdate.db import clock
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs
from liveupdate.states import CLAIMABLE

LOG = logging.getLogger(__name__)

#: kind → {id: state as a step would have seen it}; an id that is missing is gone from the cloud.
Look = Callable[[str], Mapping[str, str]]


def wake_changed(engine: Engine, look: Look) -> int:
    """Wake the parked jobs whose watched object is no longer as they saw it; return how many.

    ``look`` is called once per kind that is watched at all, whatever the number of jobs.
    """
    with read(engine) as connection:
        columns = (jobs.c.id, jobs.c.watch_kind, jobs.c.watch_id, jobs.c.watch_seen)
        parked = (jobs.c.state.in_(CLAIMABLE), jobs.c.wake_at > clock.now(), jobs.c.watch_kind != "")
        waiting = connection.execute(select(*columns).where(*parked))
        watched = [(r.id, r.watch_kind, r.watch_id, r.watch_seen) for r in waiting]
    now = {kind: look(kind) for kind in {kind for _, kind, _, _ in watched}}
    changed = [(job, seen) for job, kind, identifier, seen in watched if now[kind].get(identifier, "gone") != seen]
    for job_id, seen in changed:
        statement = update(jobs).where(jobs.c.id == job_id, jobs.c.watch_seen == seen).values(wake_at=clock.now())
        write(engine, lambda connection, s=statement: connection.execute(s))  # type: ignore[misc]
    return len(changed)
