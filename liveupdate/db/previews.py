"""Previews: jobs of kind preview, whose one step has the findings. What was seen grows old."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from liveupdate.db import clock, jobs, steps
from liveupdate.db.tables import steps as steps_table
from liveupdate.errors import Conflict, NotFound
from liveupdate.model import Job, JobKind, Json, Verdict
from liveupdate.states import JobState

LASTS = timedelta(hours=24)


def get(connection: Connection, preview_id: str, project_id: str | None) -> Job:
    """Raises NotFound."""
    job = jobs.get(connection, preview_id, project_id)
    if job.kind != JobKind.PREVIEW:
        raise NotFound(f"no preview {preview_id}", code="live-update.job.not-found")
    return job


def result(connection: Connection, preview: Job) -> Json:
    """{"verdict", "findings", "units", …}; {} while it is under way."""
    return steps.of_job(connection, preview.id)[0].result


def foretold(connection: Connection, job: Job) -> Json | None:
    """The result of the preview that the job was started from; None if there was none, or it is forgotten."""
    if job.preview_id is None:
        return None
    return next((row.result for row in steps.of_job(connection, job.preview_id)), None)


def verdicts(connection: Connection, preview_ids: Collection[str]) -> Mapping[str, str]:
    """By their ids; those that have one."""
    if not preview_ids:
        return {}
    query = select(steps_table.c.job_id, steps_table.c.result)
    found = connection.execute(query.where(steps_table.c.job_id.in_(preview_ids), steps_table.c.position == 0))
    return {row.job_id: str(row.result["verdict"]) for row in found if "verdict" in row.result}


def expires(preview: Job) -> datetime | None:
    """None while it is under way."""
    return preview.finished_at + LASTS if preview.finished_at else None


def fit(connection: Connection, preview: Job, server_id: str, method: str) -> None:
    """Raises Conflict if no job of this server may start from it."""
    if (preview.server_id, preview.method) != (server_id, method):
        raise _unfit("other-server", f"preview {preview.id} is of server {preview.server_id}, method {preview.method}")
    ends = expires(preview)
    if preview.state != JobState.SUCCEEDED or ends is None:
        raise _unfit("not-finished", f"preview {preview.id} is {preview.state}")
    if ends <= clock.read(connection):
        raise _unfit("expired", f"preview {preview.id} has expired at {ends.isoformat(timespec='seconds')}")
    if result(connection, preview).get("verdict") == Verdict.BLOCK:
        raise _unfit("blocked", f"preview {preview.id} has found what stands in the way")


def _unfit(code: str, detail: str) -> Conflict:
    return Conflict(detail, code=f"live-update.preview.{code}", remedy="see its findings; make a new preview")
