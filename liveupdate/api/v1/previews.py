"""/v1/previews: the checks of an update, which touch nothing."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from liveupdate.api import paging
from liveupdate.api.document import many, one
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.jobs import CreatePreview
from liveupdate.api.v1 import views
from liveupdate.api.v1.accepting import KEYED, accept
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import jobs, previews
from liveupdate.db.session import read
from liveupdate.model import JobKind

router = APIRouter(prefix="/v1/previews", tags=["previews"])


@router.post("", **one(202, "preview", answers.Preview, 404, 409), dependencies=KEYED)
def create(body: CreatePreview, request: Request, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    asked.authorize("preview:create", by.context, by.context.project_id)
    job = accept(request, asked, by, body.preview, JobKind.PREVIEW)
    response.headers["Location"] = f"/v1/previews/{job.id}"
    return {"preview": views.preview(job, {})}


@router.get("", **many("previews", answers.Preview, paged=True))
def index(query: Annotated[paging.PreviewQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """The project's previews, newest first; see links for the next page."""
    asked.authorize("preview:get", by.context, by.context.project_id)
    with read(asked.engine) as connection:
        found = jobs.page(connection, JobKind.PREVIEW, project_id=by.context.project_id, **query.page())
    last = found[-1].id if found else ""
    return {
        "previews": [views.preview(job, {}) for job in found],
        "links": paging.links(request, found, query.limit, last),
    }


@router.get("/{preview_id}", **one(200, "preview", answers.Preview, 404))
def show(preview_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    job = find(asked, by, "preview:get", preview_id, JobKind.PREVIEW)
    with read(asked.engine) as connection:
        result = previews.result(connection, job)
    return {"preview": views.preview(job, dict(result))}
