"""/v1/jobs/{id}/actions: what a user says to a job that is under way."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from liveupdate.api.schemas.jobs import JobAction
from liveupdate.api.v1 import views
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import jobs
from liveupdate.db.session import write

router = APIRouter(prefix="/v1/jobs/{job_id}/actions", tags=["jobs"])


@router.post("", status_code=202)
def act(job_id: UUID, body: JobAction, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """cancel: undo it (before the pivot). confirm, rollback: the word that a job in hold waits for.

    retry: a job that needs attention, or whose undo failed, tries again where it is stuck.
    """
    find(asked, by, f"job:{body.action}", job_id)

    def say(connection: Any) -> Any:
        job = jobs.get(connection, str(job_id))
        if body.action == "cancel":
            return jobs.request_cancel(connection, job)
        if body.action == "retry":
            return jobs.retry(connection, job)
        return jobs.decide(connection, job, body.action)

    job = write(asked.engine, say)
    asked.nudge()
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return {"job": views.job(job)}
