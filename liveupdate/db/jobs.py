"""Jobs as users see them: accept, look up, list. What users say to them: words.py; what workers write: claims.py."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from liveupdate.db import clock, events, lineage, steps
from liveupdate.db.reading import along, portions
from liveupdate.db.tables import jobs, projects
from liveupdate.errors import Conflict, Forbidden, Invalid, NotFound
from liveupdate.model import Job, JobKind, Json, Plan, StepSpec
from liveupdate.states import OPEN, JobState

#: The time of a change, always later than that of the change before: who knows the latter sees that there was another.
LATER = case((jobs.c.updated_at < clock.now(), clock.now()), else_=jobs.c.updated_at + literal_column("1"))
#: How much later than its ``updated_at`` a job may have gone on to another step: a turn that follows so soon leaves it
#: as it is, and with it every index of the job.
GRAIN = clock.SECOND
#: Fields that lists may be sorted by; each has an index.
SORT_KEYS = ("created_at", "updated_at", "server_name")
NO_TROUBLE: dict[str, Any] = {"reason": "", "code": "", "remedy": ""}


@dataclass(frozen=True)
class NewJob:
    """A job as accepted: validated, authorised, its plan frozen. ``idempotency_key`` with the hash of the request."""

    id: str
    kind: JobKind
    project_id: str
    user_id: str
    method: str
    server_id: str
    server_name: str
    parameters: Json
    plan: Plan
    request_id: str
    #: The one that the caller's own request went by, if it said so.
    global_request_id: str = ""
    trust_id: str = ""
    roles: tuple[str, ...] = ()
    deadline: datetime | None = None
    idempotency_key: str | None = None
    request_hash: str | None = None
    #: The job whose fallback this one restores or ends.
    fallback_id: str | None = None
    #: What no other open job may hold; None: the server.
    holds: str | None = None
    not_before: datetime | None = None
    window: str = ""
    #: "" or "needed".
    approval: str = ""
    preview_id: str | None = None
    #: Jobs that its project may have open, this one counted in; 0: any number.
    quota: int = 0


def create(connection: Connection, new: NewJob) -> tuple[Job, bool]:
    """Insert the job with its steps; (job, True), or (the earlier job, False) for a repeated idempotency key.

    Raises Conflict if the key was used for another request, or the server has an open update already; Forbidden if the
    project has as many open jobs as it may.
    """
    if earlier := repeated(connection, new.project_id, new.idempotency_key, new.request_hash):
        return earlier, False
    if new.quota and new.kind == JobKind.UPDATE:
        _within_quota(connection, new)
    try:
        with connection.begin_nested():
            connection.execute(insert(jobs).values(**_row(new)))
    except IntegrityError:
        if earlier := repeated(connection, new.project_id, new.idempotency_key, new.request_hash):
            return earlier, False
        raise _server_is_taken(connection, new) from None
    steps.add(connection, new.id, new.plan.steps)
    events.add(connection, new.id, "job.created", detail={"method": new.method, "server_id": new.server_id})
    if new.approval:
        events.add(connection, new.id, "job.approval_requested", detail={"by": new.user_id})
    return get(connection, new.id), True


def _within_quota(connection: Connection, new: NewJob) -> None:
    row = projects.c.id == new.project_id
    queue = update(projects).where(row).values(turn=projects.c.turn + 1)
    if connection.execute(queue).rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(insert(projects).values(id=new.project_id, turn=0))
        except IntegrityError:
            connection.execute(queue)
    mine = (jobs.c.project_id == new.project_id, jobs.c.kind == new.kind, jobs.c.state.in_(OPEN))
    count = connection.execute(select(func.count()).select_from(jobs).where(*mine)).scalar_one()
    if count >= new.quota:
        raise Forbidden(
            f"the project has {count} open jobs, of {new.quota} that it may have",
            code="live-update.quota.jobs",
            remedy="wait for jobs to end, or cancel some; an operator may raise [api] jobs_per_project",
        )


def _row(new: NewJob) -> dict[str, Any]:
    at = clock.now()
    return {
        "id": new.id,
        "kind": new.kind,
        "project_id": new.project_id,
        "user_id": new.user_id,
        "method": new.method,
        "server_id": new.server_id,
        "server_name": new.server_name,
        "parameters": dict(new.parameters),
        "plan": plan_to_json(new.plan),
        "state": JobState.QUEUED,
        **dict.fromkeys(("reason", "code", "remedy", "step", "decision", "outcome", "lease_owner"), ""),
        **dict.fromkeys(("watch_kind", "watch_id", "watch_seen"), ""),
        **dict.fromkeys(("progress", "lease_until", "fence", "deaths"), 0),
        "request_id": new.request_id,
        "global_request_id": new.global_request_id,
        "trust_id": new.trust_id,
        "roles": list(new.roles),
        "cancel_requested": False,
        "deadline": clock.from_datetime(new.deadline),
        "not_before": clock.from_datetime(new.not_before),
        "window": new.window,
        "approval": new.approval,
        "preview_id": new.preview_id,
        "created_at": at,
        "updated_at": at,
        "wake_at": at,
        "open_server_id": (new.holds or new.server_id) if new.kind == JobKind.UPDATE else None,
        "fallback_id": new.fallback_id,
        "idempotency_key": new.idempotency_key,
        "request_hash": new.request_hash,
    }


def repeated(connection: Connection, project_id: str, key: str | None, request_hash: str | None) -> Job | None:
    """The earlier job, if this is its request once more. Raises Conflict if only the idempotency key is the same."""
    if key is None:
        return None
    query = select(jobs).where(jobs.c.project_id == project_id, jobs.c.idempotency_key == key)
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    if row["request_hash"] != request_hash:
        raise Conflict(
            f"idempotency key was used for another request (job {row['id']})",
            code="live-update.idempotency.key-reused",
            remedy="use a new key for a new request",
        )
    return _value(row)


def _server_is_taken(connection: Connection, new: NewJob) -> Conflict:
    held = new.holds or new.server_id
    holder = connection.scalar(select(jobs.c.id).where(jobs.c.open_server_id == held))
    if new.holds:
        return Conflict(
            f"job {holder} is at work on {held}",
            code="live-update.job.busy",
            remedy="wait for that job to end, or cancel it",
        )
    return Conflict(
        f"server {new.server_id} has an open update already: job {holder}",
        code="live-update.job.server-busy",
        remedy="wait for that job to end, or cancel it",
    )


#: Built once: a worker reads it for each step.
_ONE = select(jobs).where(jobs.c.id == bindparam("job_id"))


def get(connection: Connection, job_id: str, project_id: str | None = None) -> Job:
    """The job; with ``project_id`` only if it is that project's. Raises NotFound."""
    query = _ONE if project_id is None else _ONE.where(jobs.c.project_id == project_id)
    row = connection.execute(query, {"job_id": job_id}).mappings().first()
    if row is None:
        raise NotFound(f"no job {job_id}", code="live-update.job.not-found", remedy="list the jobs of your project")
    return _value(row)


def locked(connection: Connection, job_id: str) -> Job:
    """The job as it is, and stays until this transaction ends: a worker's every write takes the same lock first."""
    connection.execute(update(jobs).where(jobs.c.id == job_id).values(fence=jobs.c.fence))
    return get(connection, job_id)


def several(connection: Connection, job_ids: Collection[str]) -> Mapping[str, Job]:
    """By their ids; those that there are."""
    queries = (select(jobs).where(jobs.c.id.in_(some)) for some in portions(job_ids))
    return {row["id"]: _value(row) for query in queries for row in connection.execute(query).mappings()}


def trusts(connection: Connection, among: Collection[str]) -> set[str]:
    """Those of them that some job has."""
    queries = (select(jobs.c.trust_id).where(jobs.c.trust_id.in_(some)) for some in portions(among))
    return {trust for query in queries for trust in connection.scalars(query)}


def page(
    connection: Connection,
    kind: JobKind,
    *,
    project_id: str | None,
    filters: Mapping[str, Any],
    sort: tuple[str, bool] = ("created_at", True),
    marker: str | None = None,
    changes_since: datetime | None = None,
    limit: int = 100,
    also: Sequence[ColumnElement[bool]] = (),
) -> Sequence[Job]:
    """One page after the job ``marker``, by (key, descending) with the id as tie-break. Raises Invalid.

    ``filters``: field → its value, or a tuple of those that are fine; ``server_id`` finds the jobs of a server and of
    those that it has replaced. ``also``: further conditions.
    """
    key, descending = sort
    query = select(jobs).where(jobs.c.kind == kind, *also)
    if project_id is not None:
        query = query.where(jobs.c.project_id == project_id)
    if "server_id" in filters:
        filters = {**filters, "server_id": tuple(sorted(lineage.before(connection, filters["server_id"])))}
    for name, value in filters.items():
        value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
        query = query.where(jobs.c[name].in_(value) if isinstance(value, tuple) else jobs.c[name] == value)
    if changes_since is not None:
        query = query.where(jobs.c.updated_at >= clock.from_datetime(changes_since) - GRAIN)
    if marker is not None:
        query = _after(connection, query, key, descending, marker, project_id)
    if index := _index(project_id, filters, key, also):
        query = along(query, jobs, index)
    order = [jobs.c[key].desc(), jobs.c.id.desc()] if descending else [jobs.c[key], jobs.c.id]
    return [_value(row) for row in connection.execute(query.order_by(*order).limit(limit)).mappings()]


def _index(
    project_id: str | None, filters: Mapping[str, Any], key: str, also: Sequence[ColumnElement[bool]]
) -> str | None:
    """The index that the list is read along; None where so few are asked for that the database finds them itself."""
    if also or "server_id" in filters:
        return None
    one_state = key == "created_at" and len(filters.get("state", ())) == 1
    return "_".join(
        ["ix_jobs", *(["project_id"] if project_id else []), "kind", *(["state"] if one_state else []), key, "id"]
    )


def _after(
    connection: Connection, query: Select[Any], key: str, descending: bool, marker: str, project_id: str | None
) -> Select[Any]:
    at = select(jobs.c[key]).where(jobs.c.id == marker)
    if project_id is not None:
        at = at.where(jobs.c.project_id == project_id)
    value = connection.scalar(at)
    if value is None:
        raise Invalid(f"marker {marker} is not a job", code="live-update.request.marker", remedy="start again")
    column, identifier = jobs.c[key], jobs.c.id
    here, there = tuple_(column, identifier), tuple_(value, marker)
    # the same twice: PostgreSQL and SQLite enter their index there by the first, MariaDB by the second
    if descending:
        return query.where(here < there, or_(column < value, and_(column == value, identifier < marker)))
    return query.where(here > there, or_(column > value, and_(column == value, identifier > marker)))


def plan_to_json(plan: Plan) -> dict[str, Any]:
    def specs(some: tuple[StepSpec, ...]) -> list[dict[str, Any]]:
        return [{"id": s.id, "step": s.step, "parameters": dict(s.parameters)} for s in some]

    return {
        "method": plan.method,
        "steps": specs(plan.steps),
        "pivot": plan.pivot,
        "back": specs(plan.back),
        "back_pivot": plan.back_pivot,
        "back_until": plan.back_until,
        "together": list(plan.together),
        "skippable": list(plan.skippable),
    }


def plan_from_json(stored: Mapping[str, Any]) -> Plan:
    def specs(some: Sequence[Mapping[str, Any]]) -> tuple[StepSpec, ...]:
        return tuple(StepSpec(s["id"], s["step"], s["parameters"]) for s in some)

    return Plan(
        method=stored["method"],
        steps=specs(stored["steps"]),
        pivot=stored["pivot"],
        back=specs(stored["back"]),
        back_pivot=stored["back_pivot"],
        back_until=stored["back_until"],
        # an older release's plan does not say where a pause may fall: nowhere, but before its first step
        together=tuple(stored.get("together", [s["id"] for s in stored["steps"]])),
        skippable=tuple(stored.get("skippable", ())),
    )


def _value(row: Any) -> Job:
    created, updated = clock.as_datetime(row["created_at"]), clock.as_datetime(row["updated_at"])
    assert created is not None and updated is not None  # noqa: S101, PT018 - the columns are NOT NULL
    return Job(
        id=row["id"],
        kind=JobKind(row["kind"]),
        project_id=row["project_id"],
        user_id=row["user_id"],
        method=row["method"],
        server_id=row["server_id"],
        server_name=row["server_name"],
        parameters=row["parameters"],
        plan=plan_from_json(row["plan"]),
        state=JobState(row["state"]),
        reason=row["reason"],
        code=row["code"],
        remedy=row["remedy"],
        step=row["step"],
        progress=row["progress"],
        request_id=row["request_id"],
        global_request_id=row["global_request_id"],
        trust_id=row["trust_id"],
        roles=tuple(row["roles"]),
        cancel_requested=row["cancel_requested"],
        decision=row["decision"],
        outcome=row["outcome"],
        deadline=clock.as_datetime(row["deadline"]),
        created_at=created,
        updated_at=updated,
        started_at=clock.as_datetime(row["started_at"]),
        finished_at=clock.as_datetime(row["finished_at"]),
        not_before=clock.as_datetime(row["not_before"]),
        window=row["window"],
        approval=row["approval"],
        approved_by=row["approved_by"],
        paused=row["paused"],
        preview_id=row["preview_id"],
    )
