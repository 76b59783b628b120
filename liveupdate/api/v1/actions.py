"""/v1/jobs/{id}/actions: what a user says to a job that is under way."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from liveupdate.api.document import one
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.jobs import JobAction
from liveupdate.api.services import Caller, Services
from liveupdate.api.v1 import views
from liveupdate.api.v1.accepting import deadline_of, new_trust, trusted_roles
from liveupdate.api.v1.asking import Asked, By, find
from liveupdate.db import words
from liveupdate.db.session import write
from liveupdate.model import Job

router = APIRouter(prefix="/v1/jobs/{job_id}/actions", tags=["jobs"])


@router.post("", **one(202, "job", answers.Job, 404, 409))
def act(job_id: UUID, body: JobAction, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    """cancel: undo it (before the pivot). confirm, rollback: the word that a job in hold waits for.

    approve: let it begin (never one's own). start: begin before its time. pause, resume: rest between two steps.
    retry: a job that needs attention, or whose undo failed, tries again where it is stuck.
    skip-step: leave out a step that it can do without. cleanup: bring a stuck job to an end by its ledger.
    """
    job = find(asked, by, f"job:{body.action.replace('-', '_')}", job_id)
    job = _clean_up(asked, by, job) if body.action == "cleanup" else _say(asked, by, job, body)
    asked.nudge()
    response.headers["Location"] = f"/v1/jobs/{job_id}"
    return {"job": views.job(job)}


def _say(asked: Services, by: Caller, job: Job, body: JobAction) -> Job:
    def said(connection: Connection) -> Job:
        match body.action:
            case "cancel":
                return words.cancel(connection, job)
            case "retry":
                return words.retry(connection, job)
            case "approve":
                return words.approve(connection, job, by.context.user_id)
            case "skip-step":
                return words.skip_step(connection, job, body.step)
            case "start" | "pause" | "resume" as word:
                return {"start": words.start, "pause": words.pause, "resume": words.resume}[word](connection, job)
            case decision:
                return words.decide(connection, job, decision)

    return write(asked.engine, said)


def _clean_up(asked: Services, by: Caller, job: Job) -> Job:
    """In the name of whoever asks, if that is somebody of the job's project: the first requester may be gone."""
    if by.context.project_id != job.project_id or not job.trust_id:
        return write(asked.engine, lambda connection: words.clean_up(connection, job, None))
    roles = trusted_roles(asked, by)
    with new_trust(asked, by, roles, deadline_of(None)) as trust:
        cleaned = write(asked.engine, lambda connection: words.clean_up(connection, job, trust.id, roles))
        trust.used = cleaned.trust_id == trust.id
    if trust.used:
        asked.cloud.delete_trust(job.trust_id)
    return cleaned
