"""What every handler needs of a request: the services, the caller, the right to go on, and the job asked for."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from liveupdate.api.services import Caller, Services
from liveupdate.db import jobs
from liveupdate.db.session import read
from liveupdate.drivers.cloud import Cloud
from liveupdate.errors import Forbidden, NotFound
from liveupdate.model import Job, JobKind


def services(request: Request) -> Services:
    found: Services = request.state.services
    return found


def caller(request: Request) -> Caller:
    found: Caller = request.state.caller
    return found


Asked = Annotated[Services, Depends(services)]
By = Annotated[Caller, Depends(caller)]


def infrastructure(asked: Services, by: Caller) -> Cloud:
    """The cloud as the service user; its calls carry the request's ids."""
    return asked.infrastructure(by.context.request_id, by.context.global_request_id)


def only(asked: Services, by: Caller, rule: str) -> str | None:
    """The project whose things the caller may see; None: all of them, by the rule."""
    try:
        asked.authorize(rule, by.context, by.context.project_id)
    except Forbidden:
        return by.context.project_id
    return None


def find(asked: Services, by: Caller, rule: str, job_id: UUID, kind: JobKind = JobKind.UPDATE) -> Job:
    """The job if the caller may see it: another project's is not found rather than forbidden."""
    with read(asked.engine) as connection:
        job = jobs.get(connection, str(job_id), only(asked, by, "job:list_all"))
    if job.kind != kind:
        raise NotFound(f"no {kind} {job_id}", code="live-update.job.not-found")
    asked.authorize(rule, by.context, job.project_id, job.user_id)
    return job
