"""How a job or a preview is accepted: checked, trusted, its plan frozen, written down."""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import Request

from liveupdate.api.schemas.jobs import DEFAULT_HOURS, MAXIMUM_HOURS, NewPreview
from liveupdate.api.services import Caller, Services
from liveupdate.db import jobs
from liveupdate.db.session import write
from liveupdate.errors import Forbidden, Invalid
from liveupdate.methods import Method
from liveupdate.model import Job, JobKind, Json


def accept(request: Request, asked: Services, by: Caller, body: NewPreview, kind: JobKind) -> tuple[Job, bool]:
    """(the job, True), or (the earlier one, False) for a repeated Idempotency-Key."""
    if body.host_group is not None:
        asked.authorize("job:choose_host_group", by.context, by.context.project_id)
    method, server_id = asked.methods[body.method], str(body.server_id)
    server = (server_id, asked.cloud.server_name(by, server_id))
    told = f"{kind} {body.model_dump_json()}"
    return begin(request, asked, by, told, kind, method, body.parameters(), body.deadline, server=server)


def begin(
    request: Request,
    asked: Services,
    by: Caller,
    told: str,
    kind: JobKind,
    method: Method,
    parameters: Json,
    deadline: datetime | None,
    *,
    server: tuple[str, str] = ("", ""),
    holds: str | None = None,
) -> tuple[Job, bool]:
    """As accept. ``told``: all that is asked for; ``server``: id and name.

    ``holds``: what no other open job may hold, if it is not the server.
    """
    deadline, roles = deadline_of(deadline), trusted_roles(asked, by)
    key, request_hash = idempotency(request, told)
    with new_trust(asked, by, roles, deadline) as trust:
        new = jobs.NewJob(
            id=str(uuid.uuid4()),
            kind=kind,
            project_id=by.context.project_id,
            user_id=by.context.user_id,
            method=method.name,
            server_id=server[0],
            server_name=server[1],
            parameters=parameters,
            plan=method.plan(kind),
            request_id=request.state.global_request_id or request.state.request_id,
            trust_id=trust.id,
            roles=roles,
            deadline=deadline,
            idempotency_key=key,
            request_hash=request_hash,
            holds=holds,
        )
        job, trust.used = write(asked.engine, lambda connection: jobs.create(connection, new))
    if trust.used:
        asked.nudge()
    return job, trust.used


@dataclass
class NewTrust:
    id: str
    #: Whether the job that it was made for is written down.
    used: bool = False


@contextmanager
def new_trust(asked: Services, by: Caller, roles: tuple[str, ...], deadline: datetime) -> Iterator[NewTrust]:
    """A trust for one job; taken back unless ``used``: refused, repeated, or the database is away."""
    trust = NewTrust(asked.cloud.create_trust(by, roles, deadline))
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


def idempotency(request: Request, told: str) -> tuple[str | None, str | None]:
    """The request's key, and the hash of what it asks for; None, None without a key. Raises Invalid."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None, None
    if not 1 <= len(key) <= 255:
        raise Invalid("Idempotency-Key must have 1 to 255 characters")
    return key, hashlib.sha256(told.encode()).hexdigest()


def deadline_of(asked: datetime | None) -> datetime:
    """Raises Invalid."""
    now = datetime.now(UTC)
    deadline = asked or now + timedelta(hours=DEFAULT_HOURS)
    if not now < deadline <= now + timedelta(hours=MAXIMUM_HOURS):
        raise Invalid(
            f"deadline must lie within the next {MAXIMUM_HOURS} hours", code="live-update.job.deadline-out-of-range"
        )
    return deadline
