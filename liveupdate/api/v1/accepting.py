"""How a job or a preview is accepted: checked, trusted, its plan frozen, written down."""

import hashlib
import uuid
from datetime import UTC, datetime, timedelta

from fastapi import Request

from liveupdate.api.schemas.jobs import DEFAULT_HOURS, MAXIMUM_HOURS, NewPreview
from liveupdate.api.services import Caller, Services
from liveupdate.db import jobs
from liveupdate.db.session import write
from liveupdate.errors import Forbidden, Invalid
from liveupdate.model import Job, JobKind


def accept(request: Request, asked: Services, by: Caller, body: NewPreview, kind: JobKind) -> tuple[Job, bool]:
    """(the job, True), or (the earlier one, False) for a repeated Idempotency-Key."""
    if body.host_group is not None:
        asked.authorize("job:choose_host_group", by.context, by.context.project_id)
    deadline = _deadline(body)
    server_id = str(body.server_id)
    server_name = asked.cloud.server_name(by, server_id)
    roles = tuple(r for r in asked.trust_roles if r in by.context.roles)
    if not roles:
        raise Forbidden(
            f"a job works in your name with the roles {', '.join(asked.trust_roles)}: you have none of them",
            code="live-update.trust.no-role",
            remedy="ask for one of these roles in this project",
        )
    key = request.headers.get("Idempotency-Key")
    if key is not None and not 1 <= len(key) <= 255:
        raise Invalid("Idempotency-Key must have 1 to 255 characters")
    plan = asked.methods[body.method].plan(kind)
    trust_id = asked.cloud.create_trust(by, roles, deadline)
    new = jobs.NewJob(
        id=str(uuid.uuid4()),
        kind=kind,
        project_id=by.context.project_id,
        user_id=by.context.user_id,
        method=body.method,
        server_id=server_id,
        server_name=server_name,
        parameters=body.parameters(),
        plan=plan,
        request_id=request.state.global_request_id or request.state.request_id,
        trust_id=trust_id,
        roles=roles,
        deadline=deadline,
        idempotency_key=key,
        request_hash=key and hashlib.sha256(f"{kind} {body.model_dump_json()}".encode()).hexdigest(),
    )
    created = False
    try:
        job, created = write(asked.engine, lambda connection: jobs.create(connection, new))
    finally:
        # refused, repeated, or the database is away: nobody would ever use this trust
        if not created:
            asked.cloud.delete_trust(trust_id)
    if created:
        asked.nudge()
    return job, created


def _deadline(body: NewPreview) -> datetime:
    now = datetime.now(UTC)
    deadline = body.deadline or now + timedelta(hours=DEFAULT_HOURS)
    if not now < deadline <= now + timedelta(hours=MAXIMUM_HOURS):
        raise Invalid(
            f"deadline must lie within the next {MAXIMUM_HOURS} hours", code="live-update.job.deadline-out-of-range"
        )
    return deadline
