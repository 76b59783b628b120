"""What is told of an event to those outside: versioned payloads. Pure; samples in docs/notifications/.

A payload holds what was true when it happened, never what has become of the job since: it may be told later.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from liveupdate.model import Happening, Json

#: Of every payload. A new field: the minor number grows; one that goes, or means another thing: the major one.
VERSION: Final = "1.1"

#: Type of an event in the database → what it is called outside. What is not here is nobody's business but ours.
EVENT_TYPES: Final[Mapping[str, str]] = {
    "job.started": "live_update.job.start",
    "job.succeeded": "live_update.job.end",
    "job.undone": "live_update.job.end",
    "job.cancelled": "live_update.job.end",
    "job.needs_attention": "live_update.job.error",
    "job.undo_failed": "live_update.job.error",
    "step.started": "live_update.step.start",
    "step.done": "live_update.step.end",
    "step.failed": "live_update.step.error",
    "step.undo_started": "live_update.step.undo_start",
    "step.undone": "live_update.step.undo_end",
    "step.undo_failed": "live_update.step.undo_error",
    "blackout.started": "live_update.blackout.start",
    "blackout.ended": "live_update.blackout.end",
    "job.approval_requested": "live_update.approval.requested",
    "owner.notify": "live_update.owner.notify",
}


@dataclass(frozen=True)
class Notification:
    #: The same whenever the same event is told: who has it already can tell.
    id: str
    event_type: str
    #: "INFO" or "ERROR".
    priority: str
    #: When it happened: UTC, ISO 8601.
    at: str
    payload: Json

    def as_json(self) -> dict[str, Any]:
        """As webhooks get it."""
        told = {"id": self.id, "event_type": self.event_type, "priority": self.priority, "timestamp": self.at}
        return {**told, "payload": dict(self.payload)}


def of(happening: Happening) -> Notification | None:
    """None for an event that is not told outside."""
    event = happening.event
    name = EVENT_TYPES.get(event.type)
    if name is None:
        return None
    payload = {"version": VERSION, "job": _job(happening)}
    subject = name.split(".")[1]
    if subject == "step":
        payload["step"] = _step(happening)
    elif subject == "blackout":
        payload["blackout"] = _blackout(happening)
    elif subject == "job":
        payload["outcome"] = _outcome(happening)
    priority = "ERROR" if name.endswith("error") else "INFO"
    return Notification(
        str(uuid.uuid5(_NAMESPACE, f"{event.job_id} {event.id}")), name, priority, _at(event.at), payload
    )


_NAMESPACE = uuid.UUID("6f3c1a0e-5f0b-4c39-9d0e-2f1f4f5c7a11")


def _job(happening: Happening) -> dict[str, Any]:
    """What never changes of a job."""
    job = happening.job
    return {
        "id": job.id,
        "kind": str(job.kind),
        "method": job.method,
        "project_id": job.project_id,
        "user_id": job.user_id,
        "server": {"id": job.server_id, "name": job.server_name},
        "request_id": job.request_id,
        "global_request_id": job.global_request_id,
        "created_at": _at(job.created_at),
    }


def _outcome(happening: Happening) -> dict[str, Any]:
    """``state`` as the event made it; ``code`` and ``remedy`` where a person is needed."""
    event = happening.event
    state = "running" if event.type == "job.started" else event.type.removeprefix("job.")
    return {"state": state, **{key: event.detail.get(key, "") for key in ("reason", "code", "remedy")}}


def _step(happening: Happening) -> dict[str, Any]:
    """``seconds`` since its beginning, waiting included; None at the beginning."""
    event = happening.event
    began = event.type in ("step.started", "step.undo_started")
    told = {"id": event.step, "name": happening.step, "seconds": None if began else happening.step_seconds}
    return {**told, **{key: event.detail.get(key, "") for key in ("code", "detail", "remedy")}}


def _blackout(happening: Happening) -> dict[str, Any]:
    """``serves``: who does from now on, "original" or "surrogate"; ``ms``: None where nobody could measure it."""
    detail = happening.event.detail
    return {"serves": detail.get("on", ""), "ms": detail.get("blackout_ms")}


def _at(when: datetime) -> str:
    return when.isoformat()
