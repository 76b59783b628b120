"""What is to follow an ended job: the capture of a server that has been updated, as a job of its own.

It works with the trust of the update, which is handed over together with the work (docs/decisions/0013).
"""

import logging
import uuid

from sqlalchemy import Connection, Engine, select, update

from liveupdate.db import clock, events, fallbacks
from liveupdate.db import jobs as job_queries
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs
from liveupdate.errors import Conflict
from liveupdate.methods import capture
from liveupdate.model import Job, JobKind
from liveupdate.states import JobState

LOG = logging.getLogger(__name__)


def begin_captures(engine: Engine) -> int:
    """Accept the captures that ended updates have asked for; return how many. Any number of workers may try at once."""
    with read(engine) as connection:
        waiting = awaiting_capture(connection)
    begun = 0
    for job_id in sorted(waiting):
        try:
            begun += write(engine, lambda connection, i=job_id: _begin(connection, i))  # type: ignore[misc]
        except Conflict as error:
            LOG.info("capture after job %s: %s", job_id, error.detail)
    return begun


def awaiting_capture(connection: Connection) -> set[str]:
    """Ids of updates that have succeeded, and whose trust is still needed for the capture that they asked for."""
    query = select(jobs.c.id, jobs.c.parameters).where(
        jobs.c.trust_id > "",
        jobs.c.state == JobState.SUCCEEDED,
        jobs.c.kind == JobKind.UPDATE,
        (jobs.c.deadline.is_(None)) | (jobs.c.deadline > clock.now()),
    )
    return {row.id for row in connection.execute(query) if row.parameters.get("capture")}


def _begin(connection: Connection, job_id: str) -> bool:
    job = job_queries.locked(connection, job_id)
    if job_id not in awaiting_capture(connection):
        return False
    made, _ = job_queries.create(connection, _new_job(job, fallbacks.server_now(connection, job)))
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(trust_id=""))
    events.add(connection, job_id, "job.followed", detail={"job_id": made.id, "method": made.method})
    return True


def _new_job(job: Job, server_id: str) -> job_queries.NewJob:
    asked = job.parameters["capture"]
    return job_queries.NewJob(
        id=str(uuid.uuid4()),
        kind=JobKind.UPDATE,
        project_id=job.project_id,
        user_id=job.user_id,
        method=capture.METHOD.name,
        server_id=server_id,
        server_name=job.server_name,
        parameters={**capture.parameters(asked["name"], asked["volumes"]), "after": job.id},
        plan=capture.METHOD.plan(),
        request_id=job.request_id,
        global_request_id=job.global_request_id,
        trust_id=job.trust_id,
        roles=job.roles,
        deadline=job.deadline,
    )
