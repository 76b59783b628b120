"""How a job or a preview is accepted: checked, trusted, its plan frozen, written down."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from sqlalchemy import Connection

from liveupdate.api.schemas.jobs import DEFAULT_HOURS, GRACE_HOURS, MAXIMUM_HOURS, NewJob, NewPreview
from liveupdate.api.services import Caller, Services
from liveupdate.db import jobs, previews
from liveupdate.db.session import read, write
from liveupdate.errors import Conflict, Forbidden, Invalid
from liveupdate.messaging import webhooks
from liveupdate.methods import Method
from liveupdate.model import Job, JobKind
from liveupdate.planning import windows

#: Parameters that no check of a preview depends on.
_OF_THE_RUN = frozenset({"confirm", "soak_seconds"})


def accept(request: Request, asked: Services, by: Caller, body: NewPreview, kind: JobKind) -> Job:
    """The job, or the earlier one for a repeated Idempotency-Key."""
    said, method = body.model_dump_json(exclude_unset=True), asked.methods[body.method]
    new = new_job(request, asked, by, kind, method, said, server_id=str(body.server_id), parameters=body.parameters())
    if earlier := repeated(asked, new):
        return earlier
    begins = None
    if isinstance(body, NewJob):
        begins, new = begin_of(body.not_before, body.window), _scheduled(asked, by, body, new)
        if body.webhooks:
            told = {webhooks.PARAMETER: asked.accept_webhooks(body.webhooks)}
            new = replace(new, parameters={**new.parameters, **told})
    # also where a preview of somebody else has chosen it
    if new.parameters.get("host_group") is not None:
        asked.authorize("job:choose_host_group", by.context, by.context.project_id)
    return begin(asked, by, new, body.deadline, begins=begins)


def new_job(
    request: Request, asked: Services, by: Caller, kind: JobKind, method: Method, said: str, **fields: Any
) -> jobs.NewJob:
    """What any job of this caller is made of. ``said``: all that is asked for; ``fields``: more of NewJob's."""
    told = {"server_id": "", "server_name": "", "parameters": {}, **fields}
    return jobs.NewJob(
        id=str(uuid.uuid4()),
        kind=kind,
        project_id=by.context.project_id,
        user_id=by.context.user_id,
        method=method.name,
        plan=method.plan(kind),
        request_id=by.context.request_id,
        global_request_id=by.context.global_request_id,
        quota=asked.limits.jobs_per_project,
        **idempotency(request, f"{kind} {method.name} {said}"),
        **told,
    )


def begin(
    asked: Services,
    by: Caller,
    new: jobs.NewJob,
    deadline: datetime | None,
    *,
    begins: datetime | None = None,
    create: Callable[[Connection, jobs.NewJob], tuple[Job, bool]] = jobs.create,
) -> Job:
    """Write it down with its deadline, its server's name and a trust. ``begins``: when it does; None: now."""
    deadline, roles = deadline_of(deadline, begins), trusted_roles(asked, by)
    name = asked.cloud.server_name(by, new.server_id) if new.server_id else ""
    with new_trust(asked, by, roles, deadline) as trust:
        new = replace(new, deadline=deadline, roles=roles, server_name=name, trust_id=trust.id)
        job, trust.used = write(asked.engine, lambda connection: create(connection, new))
    if trust.used:
        asked.nudge()
    return job


def repeated(asked: Services, new: jobs.NewJob) -> Job | None:
    """The job that an earlier request with the same Idempotency-Key made. Raises Conflict if that asked otherwise."""
    with read(asked.engine) as connection:
        return jobs.repeated(connection, new.project_id, new.idempotency_key, new.request_hash)


def _scheduled(asked: Services, by: Caller, body: NewJob, new: jobs.NewJob) -> jobs.NewJob:
    """With its times, its approval, and the parameters of the preview that it is started from."""
    new = replace(
        new,
        not_before=body.not_before,
        window=body.window or "",
        approval="needed" if body.require_approval or _must_be_approved(asked, by) else "",
    )
    if body.preview_id is None:
        return new
    with read(asked.engine) as connection:
        preview = previews.get(connection, str(body.preview_id), by.context.project_id)
        previews.fit(connection, preview, new.server_id, new.method)
    said = {name: value for name, value in new.parameters.items() if name in body.model_fields_set}
    other = sorted(n for n, v in said.items() if n not in _OF_THE_RUN and preview.parameters.get(n) != v)
    if other:
        raise Conflict(
            f"preview {preview.id} was made with another {', '.join(other)}",
            code="live-update.preview.other-parameters",
            remedy="leave out what the preview says, or make a new preview",
        )
    return replace(new, parameters={**preview.parameters, **said}, preview_id=preview.id)


def _must_be_approved(asked: Services, by: Caller) -> bool:
    try:
        asked.authorize("job:create_unapproved", by.context, by.context.project_id)
    except Forbidden:
        return True
    return False


@dataclass
class _NewTrust:
    id: str
    #: Whether the job that it was made for is written down.
    used: bool = False


@contextmanager
def new_trust(asked: Services, by: Caller, roles: tuple[str, ...], deadline: datetime) -> Iterator[_NewTrust]:
    """A trust for one job; taken back unless ``used``: refused, repeated, or the database is away."""
    trust = _NewTrust(asked.cloud.create_trust(by, roles, deadline + timedelta(hours=GRACE_HOURS)))
    try:
        yield trust
    finally:
        if not trust.used:
            asked.cloud.delete_trust(trust.id)


def trusted_roles(asked: Services, by: Caller) -> tuple[str, ...]:
    """The roles that a job of this caller works with. Raises Forbidden."""
    roles = tuple(r for r in asked.trust_roles if r in by.context.roles)
    if not roles:
        raise Forbidden(
            f"a job works in your name with the roles {', '.join(asked.trust_roles)}: you have none of them",
            code="live-update.trust.no-role",
            remedy="ask for one of these roles in this project",
        )
    return roles


def _key(
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=255, description="The same request with the same key makes one job"),
    ] = None,
) -> None: ...


#: Dependencies of every route that makes jobs or previews: the key is checked, and documented.
KEYED = (Depends(_key),)


def idempotency(request: Request, told: str) -> dict[str, Any]:
    """Fields of NewJob: the hashes of the request's key and of what it asks for; {} without a key."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return {}
    # databases differ about which keys are the same: not about hashes
    return {"idempotency_key": _hash(key), "request_hash": _hash(told)}


def _hash(told: str) -> str:
    return hashlib.sha256(told.encode()).hexdigest()


def begin_of(not_before: datetime | None, window: str | None) -> datetime:
    """When a job that is to begin then begins at the earliest."""
    at = max(datetime.now(UTC), not_before or datetime.min.replace(tzinfo=UTC))
    return windows.parse(window).next(at) if window else at


def deadline_of(asked: datetime | None, begins: datetime | None = None) -> datetime:
    """``begins``: when the job does; None: now. Raises Invalid."""
    now = datetime.now(UTC)
    last = now + timedelta(hours=MAXIMUM_HOURS)
    begins = begins or now
    deadline = asked or begins + timedelta(hours=DEFAULT_HOURS)
    if not begins < deadline <= last:
        told = f"deadline must lie after {begins.isoformat(timespec='seconds')}, when the job begins at the earliest"
        raise Invalid(
            f"{told}, and not after {last.isoformat(timespec='seconds')}", code="live-update.job.deadline-out-of-range"
        )
    return deadline.astimezone(UTC)
