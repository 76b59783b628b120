"""What belongs to a job: its steps, events, ledger and report."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from liveupdate.api.document import many, one, told
from liveupdate.api.schemas import answers
from liveupdate.api.v1 import streams, views
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import clock, events, previews, resources, steps
from liveupdate.db.session import read
from liveupdate.planning import report
from liveupdate.planning.progress import remaining_seconds
from liveupdate.states import JobState

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])

_EVENTS = many("events", answers.Event, 404, paged=True)
_EVENTS["responses"] |= {204: {"description": "The job has ended, and nothing more will ever be told"}}
_EVENTS["responses"][200]["content"] = {streams.MEDIA_TYPE: {"schema": {"type": "string"}}}
_FORWARD = (JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.SUCCEEDED)
#: An event's id, as the databases can hold it.
EventId = Annotated[int, Query(ge=0, lt=1 << 63)]


@router.get("/steps", **told(200, answers.Steps, 404))
def list_steps(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    """``remaining_seconds``: until the job has ended, by what earlier ones took; null where that is not known."""
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        rows, now = steps.of_job(connection, job.id), clock.read(connection)
        typical = steps.typical(connection, job.method)
    return {
        "steps": [views.step(row, typical.get(row.spec.id)) for row in rows],
        "remaining_seconds": remaining_seconds(rows, typical, now) if job.state in _FORWARD else None,
        "blackout_ms": next((row.result["blackout_ms"] for row in rows if "blackout_ms" in row.result), None),
    }


@router.get("/events", **_EVENTS)
def list_events(
    job_id: UUID,
    request: Request,
    asked: Asked,
    by: By,
    marker: EventId = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    accept: Annotated[str, Header()] = "",
    last_event_id: Annotated[int | None, Header(ge=0, lt=1 << 63)] = None,
) -> Any:
    """Oldest first, after the event ``marker``. With Accept: text/event-stream as they happen, after Last-Event-ID.

    204: the job has ended, and nothing more will ever be told.
    """
    job = find(asked, by, "job:get", job_id)
    if streams.MEDIA_TYPE in accept:
        after = marker if last_event_id is None else last_event_id
        if streams.ended(asked.engine, job.id, after):
            return Response(status_code=204)
        return request.state.streams.open(asked.engine, job.id, after)
    with read(asked.engine) as connection:
        found = events.of_job(connection, job.id, after=marker, limit=limit)
    full = len(found) == limit
    path = f"/v1/jobs/{job.id}/events?marker={found[-1].id}&limit={limit}" if full else ""
    return {"events": [views.event(e) for e in found], "links": [{"rel": "next", "href": path}] if full else []}


@router.get("/resources", **many("resources", answers.Resource, 404))
def list_resources(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    """The ledger: every cloud object this job made, with its state."""
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        return {"resources": [report.resource(line) for line in resources.of_job(connection, job.id)]}


@router.get("/report", **one(200, "report", answers.Report, 404))
def show_report(job_id: UUID, asked: Asked, by: By) -> dict[str, Any]:
    job = find(asked, by, "job:get", job_id)
    with read(asked.engine) as connection:
        rows, ledger = steps.of_job(connection, job.id), resources.of_job(connection, job.id)
        previewed = previews.foretold(connection, job)
    return {"report": report.assemble(job, rows, ledger, previewed)}
