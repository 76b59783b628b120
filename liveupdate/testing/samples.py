"""What is told outside, as samples for docs/ and etc/: python -m liveupdate.testing.samples CHECKOUT writes them."""

import json
import logging
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from liveupdate import logs
from liveupdate.api import audit
from liveupdate.api.services import Caller
from liveupdate.context import RequestContext
from liveupdate.messaging import notifications
from liveupdate.model import Event, Happening, Job, JobKind
from liveupdate.states import JobState
from liveupdate.testing.context import job

_THEN = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
_REFUSED = {
    "code": "live-update.cloud.quota",
    "detail": "cannot create the volume: quota exceeded",
    "remedy": "raise the project's quota, or free some",
}
_STUCK = {
    "reason": "cannot tell whether step open happened: no route to host",
    "code": "live-update.step.in-doubt",
    "remedy": "see to the cause, then retry the job",
}

#: Event type → (step, detail).
_HAPPENED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "job.started": ("", {}),
    "job.succeeded": ("", {"reason": ""}),
    "job.undone": ("", {"reason": _REFUSED["detail"]}),
    "job.cancelled": ("", {"reason": "cancelled on request"}),
    "job.needs_attention": ("open", _STUCK),
    "job.undo_failed": ("mirror", _STUCK | {"reason": "undo of step mirror failed: the volume is in use"}),
    "step.started": ("mirror", {}),
    "step.done": ("mirror", {}),
    "step.failed": ("mirror", _REFUSED),
    "step.undo_started": ("mirror", {}),
    "step.undone": ("mirror", {}),
    "step.undo_failed": ("mirror", _REFUSED),
    "blackout.started": ("cut_over", {}),
    "blackout.ended": ("open", {"on": "surrogate", "blackout_ms": 6220}),
    "job.approval_requested": ("", {}),
    "owner.notify": ("preflight", {}),
}


def happening(type: str) -> Happening:
    step, detail = _HAPPENED[type]
    event = Event(4711, _job().id, type, step, detail, _THEN + timedelta(seconds=95))
    return Happening(event, _job(), step, _THEN if step else None)


def notification_samples() -> dict[str, str]:
    """File name → text, one for each kind of event that is told."""
    samples = {}
    for type in notifications.EVENT_TYPES:
        told = notifications.of(happening(type))
        assert told is not None
        samples[f"{type}.json"] = json.dumps(told.as_json(), indent=2) + "\n"
    return samples


def audit_sample() -> str:
    """A CADF event, as the API tells it on the bus."""
    request_id = _job().request_id
    scope = {
        "method": "POST",
        "path": f"/v1/jobs/{_job().id}/actions",
        "headers": [(b"user-agent", b"openstacksdk/4.22.0")],
        "client": ("203.0.113.7", 40000),
        "state": {"request_id": request_id},
    }
    caller = Caller(RequestContext(_job().user_id, _job().project_id, ("member",), request_id))
    event = audit.describe(scope, caller, b'{"action": "cancel"}', 202, "")
    event["id"], event["eventTime"] = "0b9f2c7e-1d2c-4f0e-8a57-5d1f9a3f6b10", _THEN.isoformat()
    event["observer"]["id"] = "controller-1"
    return json.dumps(event, indent=2, sort_keys=True) + "\n"


def log_sample() -> str:
    """Lines of a worker's log in JSON, for etc/liveupdate/log.json.sample."""
    lines = []
    for level, text in ((logging.INFO, "job succeeded"), (logging.WARNING, "cannot renew the lease: %s")):
        values = (("OperationalError",) if "%s" in text else ()), None
        record = logging.LogRecord("liveupdate.worker.main", level, __file__, 1, text, *values)
        record.created, record.process, record.threadName = _THEN.timestamp(), 4711, "job_0"
        with logs.about(job_id=_job().id, request_id=_job().request_id):
            lines.append(logs.Json().format(record) + "\n")
    return "".join(lines)


def _job() -> Job:
    return replace(
        job(),
        id="3f0b6a52-6a3c-4b1e-9a0c-0c1f6a1d2e3f",
        kind=JobKind.UPDATE,
        method="surrogate",
        project_id="9c5c8f6f0f0e4b7e8f6d3c2b1a090807",
        user_id="1f2e3d4c5b6a79880716253443526170",
        server_id="7d1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d",
        server_name="web-1",
        state=JobState.RUNNING,
        request_id="req-0f0e0d0c-0b0a-4908-8706-050403020100",
        created_at=_THEN - timedelta(seconds=1),
    )


def main(root: Path) -> None:
    for name, text in notification_samples().items():
        (root / "docs" / "notifications" / name).write_text(text)
    (root / "docs" / "notifications" / f"{audit.EVENT_TYPE}.json").write_text(audit_sample())
    (root / "etc" / "liveupdate" / "log.json.sample").write_text(log_sample())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
