"""Fallbacks: what ended jobs have kept to return to, read from their ledgers; nothing of them is stored twice."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, select

from liveupdate.db import clock, jobs, lineage, resources
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.db.tables import resources as lines
from liveupdate.db.tables import steps
from liveupdate.errors import Conflict, NotFound
from liveupdate.model import Fallback, Job, JobKind, Resource
from liveupdate.states import FINAL, JobState, ResourceState

#: Seconds until another attempt to end a fallback that could not be ended: volumes in use stay so for long.
_AGAIN = 86400.0


def get(connection: Connection, fallback_id: str, project_id: str | None = None) -> Fallback:
    """With ``project_id`` only if it is that project's. Raises NotFound, also for one that has ended."""
    try:
        job = jobs.get(connection, fallback_id, project_id)
    except NotFound:
        job = None
    parts = _parts(connection, [fallback_id]).get(fallback_id, [])
    if job is None or job.state != JobState.SUCCEEDED or not parts:
        raise NotFound(
            f"no fallback {fallback_id}",
            code="live-update.fallback.not-found",
            remedy="openstack live update fallback list",
        )
    return _value(connection, job, parts)


def page(
    connection: Connection,
    *,
    project_id: str | None,
    filters: Mapping[str, Any],
    sort: tuple[str, bool] = ("created_at", True),
    marker: str | None = None,
    changes_since: datetime | None = None,
    limit: int = 100,
) -> Sequence[Fallback]:
    """As jobs.page; the filter ``server_id`` finds the fallbacks of a server and of those that it has replaced."""
    also: list[ColumnElement[bool]] = [jobs_table.c.state == JobState.SUCCEEDED, jobs_table.c.id.in_(_keeping())]
    if "server_id" in filters:
        also.append(jobs_table.c.id.in_(lineage.served_by(lineage.before(connection, filters["server_id"]))))
    found = jobs.page(
        connection,
        JobKind.UPDATE,
        project_id=project_id,
        filters={},
        sort=sort,
        marker=marker,
        changes_since=changes_since,
        limit=limit,
        also=also,
    )
    parts = _parts(connection, [job.id for job in found])
    return [_value(connection, job, parts[job.id]) for job in found]


def due(connection: Connection, limit: int = 100) -> Sequence[Fallback]:
    """Those whose time is over, that no open job is at, and that nobody has tried to end lately; oldest first."""
    over = (lines.c.state == ResourceState.KEPT, lines.c.keep_until <= clock.now())
    asked_for = jobs_table.alias()
    tried = exists().where(
        asked_for.c.fallback_id == lines.c.job_id,
        asked_for.c.state.not_in(FINAL) | (asked_for.c.finished_at > clock.now() - clock.microseconds(_AGAIN)),
    )
    query = select(lines.c.job_id).where(*over, ~tried).group_by(lines.c.job_id)
    ids = list(connection.scalars(query.order_by(lines.c.job_id).limit(limit)))
    parts = _parts(connection, ids)
    return [_value(connection, jobs.get(connection, job_id), parts[job_id]) for job_id in ids]


def begin(connection: Connection, fallback: Fallback, new: jobs.NewJob) -> tuple[Job, bool]:
    """Accept a job that restores or ends the fallback, as jobs.create; never two at a time.

    Raises Conflict if another one is at it, NotFound if it has ended.
    """
    # whoever begins something with this fallback takes this lock first
    jobs.locked(connection, fallback.id)
    if earlier := jobs.repeated(connection, new.project_id, new.idempotency_key, new.request_hash):
        return earlier, False
    now = get(connection, fallback.id)
    if now.job_id is not None:
        raise Conflict(
            f"job {now.job_id} ({now.method}) is at work on this fallback",
            code="live-update.fallback.busy",
            remedy="wait for that job to end",
        )
    return jobs.create(connection, new)


def server_now(connection: Connection, job: Job) -> str:
    """The server that serves now in the place of the job's, later updates and restores counted in."""
    server_id = _made_by(connection, job.id) or job.server_id
    for _ in range(lineage.MAX_UPDATES):
        query = (
            select(lines.c.cloud_id)
            .join(jobs_table, jobs_table.c.id == lines.c.job_id)
            .where(jobs_table.c.server_id == server_id, jobs_table.c.state == JobState.SUCCEEDED, *lineage.SERVER)
        )
        if not (successor := connection.scalar(query.limit(1))) or successor == server_id:
            break
        server_id = successor
    return server_id


# -- how it is read ----------------------------------------------------------------------------------------------------


def _keeping() -> Select[Any]:
    return select(lines.c.job_id).where(lines.c.state == ResourceState.KEPT, lines.c.keep_until.is_not(None))


def _made_by(connection: Connection, job_id: str) -> str | None:
    return connection.scalar(select(lines.c.cloud_id).where(lines.c.job_id == job_id, *lineage.SERVER).limit(1))


def _port(connection: Connection, job_id: str) -> str:
    """As the step told that has moved it: Nova deletes a port that it made itself, this one it only lets go."""
    moved = (steps.c.job_id == job_id, steps.c.step.in_(("release_original", "unplug")))
    found = connection.scalar(select(steps.c.result).where(*moved).limit(1))
    return str((found or {}).get("port_id", ""))


def _parts(connection: Connection, job_ids: Sequence[str]) -> dict[str, list[Resource]]:
    query = (
        select(lines)
        .where(lines.c.job_id.in_(job_ids), lines.c.state == ResourceState.KEPT, lines.c.keep_until.is_not(None))
        .order_by(lines.c.id)
    )
    parts: dict[str, list[Resource]] = {}
    for row in connection.execute(query).mappings():
        parts.setdefault(row["job_id"], []).append(resources.value(row))
    return parts


def _value(connection: Connection, job: Job, parts: Sequence[Resource]) -> Fallback:
    at_it = select(jobs_table.c.id, jobs_table.c.method).where(
        jobs_table.c.fallback_id == job.id, jobs_table.c.state.not_in(FINAL)
    )
    busy = connection.execute(at_it.limit(1)).first()
    return Fallback(
        id=job.id,
        project_id=job.project_id,
        server_id=server_now(connection, job),
        server_name=job.server_name,
        original_server_id=job.server_id,
        made_at=min(part.created_at for part in parts),
        kept_until=min(part.keep_until for part in parts if part.keep_until),
        parts=tuple(parts),
        port_id=_port(connection, job.id),
        job_id=busy.id if busy else None,
        method=busy.method if busy else None,
    )
