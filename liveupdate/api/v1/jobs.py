"""/v1/jobs: create, list, show."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from liveupdate.api import paging
from liveupdate.api.document import many, one
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.jobs import CreateJob
from liveupdate.api.v1 import views
from liveupdate.api.v1.accepting import KEYED, accept
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import jobs
from liveupdate.db.session import read
from liveupdate.model import JobKind

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.post("", **one(202, "job", answers.Job, 404, 409), dependencies=KEYED)
def create(body: CreateJob, request: Request, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """Accept a job; its id is in Location. The same Idempotency-Key and body answer the same job."""
    asked.authorize("job:create", by.context, by.context.project_id)
    job = accept(request, asked, by, body.job, JobKind.UPDATE)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return {"job": views.job(job)}


@router.get("", **many("jobs", answers.Job, paged=True))
def index(query: Annotated[paging.JobQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """The project's jobs, newest first; see links for the next page."""
    asked.authorize("job:list", by.context, by.context.project_id)
    if query.all_projects:
        asked.authorize("job:list_all", by.context, by.context.project_id)
    with read(asked.engine) as connection:
        project_id = None if query.all_projects else by.context.project_id
        found = jobs.page(connection, JobKind.UPDATE, project_id=project_id, **query.page())
    last = found[-1].id if found else ""
    return {
        "jobs": [views.job(job) for job in found],
        "links": paging.links(request, found, query.limit, last),
    }


@router.get("/{job_id}", **one(200, "job", answers.Job, 404))
def show(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    return {"job": views.job(find(asked, by, "job:get", job_id))}
