"""The report of a job: a pure function of its journal and its ledger."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liveupdate.model import Job, Resource, StepRow
from liveupdate.planning import handover, move
from liveupdate.states import FINAL, ResourceState

_STORED = ("volume", "snapshot", "backup", "image")
_OPEN = (ResourceState.INTENDED, ResourceState.CREATED)


def assemble(job: Job, rows: Sequence[StepRow], ledger: Sequence[Resource]) -> dict[str, Any]:
    """Times in milliseconds but for the steps' seconds; None where a job has not come that far."""
    result = {row.spec.id: row.result for row in rows}

    def told(step: str, key: str, default: Any = None) -> Any:
        return result.get(step, {}).get(key, default)

    return {
        "job_id": job.id,
        "state": job.state,
        "server_id": job.server_id,
        "new_server_id": told("provision", "server_id"),
        "kernel_before": told("update", "kernel_before"),
        "kernel_after": told("update", "kernel_after"),
        "units": [
            {"name": u["name"], "handover": u["handover"], "reason": u.get("reason", "")}
            for u in told("preflight", "units", [])
        ],
        "blackout_ms": told("open", "blackout_ms"),
        "blackout_estimate_ms": told("pre_copy", "estimate_ms", told("preflight", "estimate_ms")),
        "timeline": told("open", "timeline", told("cut_over", "timeline", [])),
        "bytes": (told("pre_copy", "bytes", 0) or 0) + (told("cut_over", "bytes", 0) or 0),
        "packages": told("user_space", "packages", []),
        "stale_processes": told("user_space", "stale", []),
        "captured": told("preflight", "captured", []),
        "frozen_ms": told("copy_volumes", "frozen_ms"),
        "image": result.get("publish_image") or None,
        "deployed": told("prove_deployed", "servers", []),
        "steps": [{"id": row.spec.id, "state": row.state, "seconds": row.seconds} for row in rows],
        "volumes": [volume(line) for line in ledger if line.kind in _STORED and "size" in line.details],
        "handovers": _handovers(told),
        "paths": paths(
            told("preflight", "server", {}), told("clean_up", "host_paths", told("attach", "host_paths", {}))
        ),
        "resources": resources(job, ledger),
    }


def _handovers(told: Callable[..., Any]) -> list[dict[str, Any]]:
    found = {"server": told("preflight", "server"), "guest": told("preflight", "guest", {})}
    if not found["server"]:
        return []
    data = [v for v in found["server"]["volumes"] if not v["boot"]]
    timeline = told("open", "timeline", told("cut_over", "timeline", []))
    return handover.report(data, move.data_mounts(found), timeline)


def volume(line: Resource) -> dict[str, Any]:
    """Of a mirror's and a fallback's volumes, snapshots, backups and images (type "local": of a disk on a host).

    ``size`` in GiB; ``bytes`` as stored, of an image; ``seconds`` of its making, None for a volume that was there
    before; and how long it is kept.
    """
    return {
        "kind": line.kind,
        "role": line.role,
        "cloud_id": line.cloud_id,
        "size": line.details["size"],
        "type": line.details.get("type"),
        "bytes": line.details.get("bytes"),
        "seconds": line.details.get("seconds"),
        "frozen_ms": line.details.get("frozen_ms"),
        "state": line.state,
        "kept_until": line.keep_until and line.keep_until.isoformat(),
    }


def paths(server: Mapping[str, Any], after: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Over how many paths the hosts had the data volumes, ``before`` and ``after``; None: not to be counted."""
    return [
        {
            "volume_id": v["id"],
            "protocol": v.get("protocol", ""),
            "before": v.get("paths"),
            "after": after.get(v["id"]),
        }
        for v in server.get("volumes", ())
        if not v["boot"]
    ]


def resources(job: Job, ledger: Sequence[Resource]) -> dict[str, list[dict[str, Any]]]:
    """Created (all there ever were), deleted, kept on purpose; leftovers: what an ended job has neither."""
    ended = job.state in FINAL

    def lines(*states: ResourceState) -> list[dict[str, Any]]:
        return [resource(r) for r in ledger if r.state in states]

    return {
        "created": [resource(r) for r in ledger if r.cloud_id],
        "deleted": lines(ResourceState.DELETED),
        "kept": lines(ResourceState.KEPT),
        "leftovers": lines(*_OPEN) if ended else [],
    }


def resource(line: Resource) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "role": line.role,
        "name": line.name,
        "cloud_id": line.cloud_id,
        "state": line.state,
        "created_at": line.created_at.isoformat(),
        "deleted_at": line.deleted_at and line.deleted_at.isoformat(),
    }
