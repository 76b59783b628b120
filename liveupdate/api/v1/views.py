"""How jobs and what belongs to them look from outside. Pure."""

from datetime import datetime
from typing import Any

from liveupdate.db import previews
from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.golden_images import GoldenImage
from liveupdate.messaging import webhooks
from liveupdate.model import Event, Fallback, Job, JobKind, Json, Resource, StepRow
from liveupdate.planning import golden


def job(value: Job) -> dict[str, Any]:
    path = f"/v1/{'jobs' if value.kind == JobKind.UPDATE else 'previews'}/{value.id}"
    return {
        "id": value.id,
        "method": value.method,
        "server": {"id": value.server_id, "name": value.server_name},
        "project_id": value.project_id,
        "user_id": value.user_id,
        "parameters": _shown(value.parameters),
        "state": value.state,
        "reason": value.reason,
        "code": value.code,
        "remedy": value.remedy,
        "step": value.step,
        "progress": value.progress,
        "pivot": value.plan.pivot,
        "cancel_requested": value.cancel_requested,
        "paused": value.paused,
        "decision": value.decision,
        "not_before": time(value.not_before),
        "window": value.window or None,
        "approval": value.approval,
        "approved_by": value.approved_by,
        "preview_id": value.preview_id,
        "request_id": value.request_id,
        "global_request_id": value.global_request_id,
        "deadline": time(value.deadline),
        "created_at": time(value.created_at),
        "updated_at": time(value.updated_at),
        "started_at": time(value.started_at),
        "finished_at": time(value.finished_at),
        "links": [{"rel": "self", "href": path}],
    }


def _shown(parameters: Json) -> Json:
    """What servers are told at their first boot may hold secrets, and so may a webhook's URL."""
    shown = {name: value for name, value in parameters.items() if name != "user_data"}
    if webhooks.PARAMETER in shown:
        shown[webhooks.PARAMETER] = [webhooks.masked(url) for url in shown[webhooks.PARAMETER]]
    return shown


#: Nothing that is ever said of a preview.
_OF_JOBS_ONLY = frozenset(
    {"pivot", "decision", "paused", "not_before", "window", "approval", "approved_by", "preview_id"}
)


def step(row: StepRow, expected: float | None) -> dict[str, Any]:
    """``expected``: seconds that it takes as a rule; None where nothing is known of it."""
    return {
        "id": row.spec.id,
        "step": row.spec.step,
        "state": row.state,
        "attempts": row.attempts,
        "error": dict(row.error) or None,
        "started_at": time(row.started_at),
        "finished_at": time(row.finished_at),
        "seconds": row.seconds,
        "expected_seconds": expected,
    }


def event(value: Event) -> dict[str, Any]:
    return {
        "id": value.id,
        "type": value.type,
        "step": value.step,
        "detail": dict(value.detail),
        "at": time(value.at),
    }


def fallback(value: Fallback) -> dict[str, Any]:
    """``size`` in GiB, of all its parts; ``server`` is the one that would be brought back."""
    kinds = {part.kind for part in value.parts}
    return {
        "id": value.id,
        "server": {"id": value.server_id, "name": value.server_name},
        "original_server_id": value.original_server_id,
        "project_id": value.project_id,
        "kind": next((kind for kind in ("backup", "image") if kind in kinds), "snapshot"),
        "size": sum(part.details.get("size", 0) for part in value.parts),
        "parts": [_part(part) for part in value.parts],
        "made_at": time(value.made_at),
        "kept_until": time(value.kept_until),
        "job": {"id": value.job_id, "method": value.method} if value.job_id else None,
        "links": [
            {"rel": "self", "href": f"/v1/fallbacks/{value.id}"},
            {"rel": "job", "href": f"/v1/jobs/{value.id}"},
        ],
    }


def _part(line: Resource) -> dict[str, Any]:
    told = {key: line.details.get(key) for key in ("size", "type", "boot", "volume_id", "seconds")}
    return {"kind": line.kind, "role": line.role, "name": line.name, "cloud_id": line.cloud_id, **told}


def image(value: GoldenImage) -> dict[str, Any]:
    """``size`` in GiB, of all its disks; the first one is booted from."""
    told = value.properties.get
    return {
        "id": value.id,
        "name": value.name,
        "status": value.status,
        "project_id": value.owner,
        "size": sum(disk.size for disk in value.disks),
        "min_disk": value.min_disk,
        "min_ram": value.min_ram,
        "disks": [{"snapshot_id": disk.snapshot_id, "size": disk.size} for disk in value.disks],
        "kernel": told(golden.KERNEL),
        "packages_sha256": told(golden.PACKAGES),
        "source_server_id": told(golden.SOURCE_SERVER),
        "source_image_id": told(golden.SOURCE_IMAGE),
        "captured_at": told(golden.CAPTURED_AT),
        "job_id": told(marks.JOB),
        "links": [{"rel": "self", "href": f"/v1/images/{value.id}"}],
    }


def preview(value: Job, result: dict[str, Any]) -> dict[str, Any]:
    """``result``: the preflight's; {} while it is under way."""
    shown = {k: v for k, v in job(value).items() if k not in _OF_JOBS_ONLY}
    return shown | {
        "expires_at": time(previews.expires(value)),
        "verdict": result.get("verdict"),
        "findings": result.get("findings", []),
        "units": result.get("units", []),
        "captured": result.get("captured", []),
        "blackout_estimate_ms": result.get("estimate_ms"),
    }


def time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
