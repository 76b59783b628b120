"""A fallback ends: its time is over, or somebody has no need of it any more. No server is touched."""

import uuid

from liveupdate.db.jobs import NewJob
from liveupdate.methods import Method
from liveupdate.model import Fallback, JobKind
from liveupdate.planning import parts
from liveupdate.steps import end_fallback, inspect_fallback

METHOD = Method(
    name="fallback_expire",
    title="Delete what an update has kept to return to",
    steps=(inspect_fallback.STEP, end_fallback.STEP),
    preview=(inspect_fallback.STEP,),
    pivot=inspect_fallback.STEP,
)


def new_job(fallback: Fallback, user_id: str, request_id: str) -> NewJob:
    """``user_id``: who ends it; "" if its time does. It works as the service user, without a trust."""
    return NewJob(
        id=str(uuid.uuid4()),
        kind=JobKind.UPDATE,
        project_id=fallback.project_id,
        user_id=user_id,
        method=METHOD.name,
        server_id=fallback.server_id,
        server_name=fallback.server_name,
        parameters={"fallback_id": fallback.id, "parts": parts.of(fallback)},
        plan=METHOD.plan(),
        request_id=request_id,
        fallback_id=fallback.id,
        # the server may be updated meanwhile
        holds=fallback.id,
    )
