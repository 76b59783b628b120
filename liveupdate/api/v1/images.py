"""/v1/images: golden images; captured from servers, made into servers, deleted with all that is behind them."""

import uuid
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from liveupdate.api.document import many, one, told
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.images import CreateImage, ImageAction
from liveupdate.api.services import Services
from liveupdate.api.v1 import views
from liveupdate.api.v1.accepting import KEYED, begin, new_job, repeated
from liveupdate.api.v1.asking import Asked, By
from liveupdate.api.whole_lists import ImageQuery, links
from liveupdate.db import resources
from liveupdate.db.session import read
from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.golden_images import GoldenImage
from liveupdate.methods import capture, deploy, image_delete
from liveupdate.model import Job, JobKind
from liveupdate.states import ResourceState

router = APIRouter(prefix="/v1/images", tags=["images"])


@router.get("", **many("images", answers.Image, paged=True))
def index(query: Annotated[ImageQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """The project's golden images, newest first, as Glance has them."""
    asked.authorize("image:list", by.context, by.context.project_id)
    found = query.page([views.image(image) for image in asked.cloud.images(by)], "id")
    return {"images": found, "links": links(request, found, query.limit, "id")}


@router.get("/{image_id}", **one(200, "image", answers.Image, 404))
def show(image_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    asked.authorize("image:get", by.context, by.context.project_id)
    return {"image": views.image(asked.cloud.image(by, str(image_id)))}


@router.post("", **told(202, answers.JobOrPreview, 404, 409), dependencies=KEYED)
def create(body: CreateImage, request: Request, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """Capture a server: a job, which is in Location; or only its checks, as a preview."""
    asked.authorize("image:capture", by.context, by.context.project_id)
    new, kind = (body.image, JobKind.UPDATE) if body.image else (body.preview, JobKind.PREVIEW)
    assert new is not None  # noqa: S101 - the schema has seen to it
    said = new.model_dump_json(exclude_unset=True)
    parameters = capture.parameters(new.name, [str(volume) for volume in new.volumes])
    job = new_job(request, asked, by, kind, capture.METHOD, said, server_id=str(new.server_id), parameters=parameters)
    accepted = repeated(asked, job) or begin(asked, by, job, new.deadline)
    if kind == JobKind.PREVIEW:
        response.headers["Location"] = f"/v1/previews/{accepted.id}"
        return {"preview": views.preview(accepted, {})}
    return _accepted(response, accepted)


@router.post("/{image_id}/actions", **one(202, "job", answers.Job, 404, 409), dependencies=KEYED)
def act(
    image_id: UUID, body: ImageAction, request: Request, response: Response, asked: Asked, by: By
) -> dict[str, Any]:
    """deploy: a job, which is in Location; its report tells the servers and how they were proven."""
    asked.authorize("image:deploy", by.context, by.context.project_id)
    said = f"{image_id} {body.model_dump_json(exclude_unset=True)}"
    # any number of them may be under way
    new = new_job(request, asked, by, JobKind.UPDATE, deploy.METHOD, said, holds=f"deploy-{uuid.uuid4().hex[:28]}")
    if (job := repeated(asked, new)) is None:
        image = asked.cloud.image(by, str(image_id))
        new = replace(new, parameters=body.parameters(image.id, image.name))
        job = begin(asked, by, new, body.deadline)
    return _accepted(response, job)


@router.delete("/{image_id}", **one(202, "job", answers.Job, 404, 409), dependencies=KEYED)
def delete(image_id: UUID, request: Request, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """A job, which is in Location. Servers that were made from it stay."""
    asked.authorize("image:delete", by.context, by.context.project_id)
    new = new_job(request, asked, by, JobKind.UPDATE, image_delete.METHOD, str(image_id), holds=str(image_id))
    if (job := repeated(asked, new)) is None:
        image = asked.cloud.image(by, str(image_id))
        parameters = {"image_id": image.id, "image_name": image.name, "kept_lines": _kept(asked, image)}
        job = begin(asked, by, replace(new, parameters=parameters), None)
    return _accepted(response, job)


def _accepted(response: Response, job: Job) -> dict[str, Any]:
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return {"job": views.job(job)}


def _kept(asked: Services, image: GoldenImage) -> list[int]:
    """Lines of the ledger of the job that made it, if this deployment's database has them."""
    with read(asked.engine) as connection:
        lines = resources.of_job(connection, image.properties.get(marks.JOB, ""))
    if image.id not in {line.cloud_id for line in lines}:
        return []
    return [line.id for line in lines if line.state == ResourceState.KEPT]
