"""/v1/fallbacks: what updates have kept to return to; ended early, or returned to."""

from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from sqlalchemy import Connection

from liveupdate.api import paging
from liveupdate.api.document import many, one, told
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.fallbacks import FallbackAction
from liveupdate.api.services import Caller, Services
from liveupdate.api.v1 import views
from liveupdate.api.v1.accepting import KEYED, begin, idempotency, new_job
from liveupdate.api.v1.asking import Asked, By, only
from liveupdate.db import fallbacks, jobs
from liveupdate.db.session import read, write
from liveupdate.errors import NotFound
from liveupdate.methods import fallback_expire, restore
from liveupdate.model import Fallback, Job, JobKind

router = APIRouter(prefix="/v1/fallbacks", tags=["fallbacks"])

_ALL = "fallback:list_all"


@router.get("", **many("fallbacks", answers.Fallback, paged=True))
def index(query: Annotated[paging.FallbackQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """The project's fallbacks, newest first; see links for the next page."""
    asked.authorize("fallback:list", by.context, by.context.project_id)
    if query.all_projects:
        asked.authorize(_ALL, by.context, by.context.project_id)
    with read(asked.engine) as connection:
        project_id = None if query.all_projects else by.context.project_id
        found = fallbacks.page(connection, project_id=project_id, **query.page())
    last = found[-1].id if found else ""
    return {
        "fallbacks": [views.fallback(each) for each in found],
        "links": paging.links(request, found, query.limit, last),
    }


@router.get("/{fallback_id}", **one(200, "fallback", answers.Fallback, 404))
def show(fallback_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    return {"fallback": views.fallback(_find(asked, by, "fallback:get", fallback_id))}


@router.delete("/{fallback_id}", **one(202, "job", answers.Job, 404, 409), dependencies=KEYED)
def delete(fallback_id: UUID, request: Request, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """End it before its time: a job, which is in Location."""
    key = idempotency(request, f"{fallback_expire.METHOD.name} {fallback_id}")
    if (job := _repeated(asked, by, "fallback:delete", _owner(asked, by, fallback_id), **key)) is None:
        fallback = _find(asked, by, "fallback:delete", fallback_id)
        new = fallback_expire.new_job(fallback, by.context.user_id, by.context.request_id)
        new = replace(new, global_request_id=by.context.global_request_id, **key)
        job, _ = write(asked.engine, lambda connection: fallbacks.begin(connection, fallback, new))
        asked.nudge()
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return {"job": views.job(job)}


@router.post("/{fallback_id}/actions", **told(202, answers.JobOrPreview, 404, 409), dependencies=KEYED)
def act(
    fallback_id: UUID, body: FallbackAction, request: Request, response: Response, asked: Asked, by: By
) -> dict[str, Any]:
    """restore: a job, which is in Location. preview: its checks only, which touch nothing."""
    kind = JobKind.UPDATE if body.action == "restore" else JobKind.PREVIEW
    # the job works in the caller's name, and a trust is for the project of its token
    new = new_job(request, asked, by, kind, restore.METHOD, f"{fallback_id} {body.model_dump_json(exclude_unset=True)}")
    if (job := _repeated(asked, by, "fallback:restore", new.project_id, new.idempotency_key, new.request_hash)) is None:
        fallback = _find(asked, by, "fallback:restore", fallback_id)
        parameters = restore.parameters(fallback, body.data_volumes, body.keep_fallback_days)
        # a preview is at work on nothing
        held = fallback.id if kind == JobKind.UPDATE else None
        new = replace(new, server_id=fallback.server_id, parameters=parameters, fallback_id=held)
        create = partial(_create, fallback) if kind == JobKind.UPDATE else jobs.create
        job = begin(asked, by, new, body.deadline, create=create)
    what = "job" if kind == JobKind.UPDATE else "preview"
    response.headers["Location"] = f"/v1/{what}s/{job.id}"
    return {what: views.job(job) if kind == JobKind.UPDATE else views.preview(job, {})}


def _create(fallback: Fallback, connection: Connection, new: jobs.NewJob) -> tuple[Job, bool]:
    return fallbacks.begin(connection, fallback, new)


def _repeated(
    asked: Services,
    by: Caller,
    rule: str,
    project_id: str,
    idempotency_key: str | None = None,
    request_hash: str | None = None,
) -> Job | None:
    """What an earlier request with the same key has made: the fallback may have ended with it."""
    with read(asked.engine) as connection:
        job = jobs.repeated(connection, project_id, idempotency_key, request_hash)
    if job is not None:
        asked.authorize(rule, by.context, job.project_id)
    return job


def _find(asked: Services, by: Caller, rule: str, fallback_id: UUID) -> Fallback:
    """The fallback if the caller may see it: another project's is not found rather than forbidden."""
    with read(asked.engine) as connection:
        found = fallbacks.get(connection, str(fallback_id), only(asked, by, _ALL))
    asked.authorize(rule, by.context, found.project_id)
    return found


def _owner(asked: Services, by: Caller, fallback_id: UUID) -> str:
    """The project whose keys count: the fallback's, also once it has ended; the caller's, where none is to be seen."""
    try:
        with read(asked.engine) as connection:
            return jobs.get(connection, str(fallback_id), only(asked, by, _ALL)).project_id
    except NotFound:
        return by.context.project_id
