"""What belongs to a job: its steps, events, ledger and report."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from liveupdate.api.v1 import views
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import events, resources, steps
from liveupdate.db.session import read
from liveupdate.planning import report

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])


@router.get("/steps")
def list_steps(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        return {"steps": [views.step(row) for row in steps.of_job(connection, job.id)]}


@router.get("/events")
def list_events(
    job_id: UUID,
    asked: Asked,
    by: By,
    marker: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> dict[str, Any]:
    """Oldest first, after the event ``marker``."""
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        found = events.of_job(connection, job.id, after=marker, limit=limit)
    full = len(found) == limit
    path = f"/v1/jobs/{job.id}/events?marker={found[-1].id}&limit={limit}" if full else ""
    return {"events": [views.event(e) for e in found], "links": [{"rel": "next", "href": path}] if full else []}


@router.get("/resources")
def list_resources(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    """The ledger: every cloud object this job made, with its state."""
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        return {"resources": [report.resource(line) for line in resources.of_job(connection, job.id)]}


@router.get("/report")
def show_report(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        rows, ledger = steps.of_job(connection, job.id), resources.of_job(connection, job.id)
    return {"report": report.assemble(job, rows, ledger)}
