"""The report of a job: a pure function of its journal and its ledger."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liveupdate.model import Job, Resource, StepRow, Verdict
from liveupdate.planning import handover, inside, move
from liveupdate.states import FINAL, OPEN_LINE, ResourceState

_STORED = ("volume", "snapshot", "backup", "image")
_MEASURED = "from the freeze of the workload until the word that the other server serves, by its monotonic clock"


def assemble(
    job: Job, rows: Sequence[StepRow], ledger: Sequence[Resource], previewed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Times in milliseconds but for the steps' seconds; None where a job has not come that far.

    ``previewed``: the result of the preview that it was started from, if any.
    """
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
        "blackouts": blackouts(rows),
        "blackout_ms": told("open", "blackout_ms"),
        "blackout_estimate_ms": told("pre_copy", "estimate_ms", told("preflight", "estimate_ms")),
        "timeline": told("open", "timeline", told("cut_over", "timeline", [])),
        "bytes": (told("pre_copy", "bytes", 0) or 0) + (told("cut_over", "bytes", 0) or 0),
        "packages": told("user_space", "packages", []),
        "package_changes": told("user_space", "changed"),
        "stale_processes": told("user_space", "stale", []),
        "captured": told("preflight", "captured", []),
        "frozen_ms": told("copy_volumes", "frozen_ms"),
        "image": result.get("publish_image") or None,
        "deployed": told("prove_deployed", "servers", []),
        "steps": [{"id": row.spec.id, "state": row.state, "seconds": row.seconds} for row in rows],
        "volumes": [volume(line) for line in ledger if line.kind in _STORED and "size" in line.details],
        "handovers": _handovers(told),
        "paths": [
            *host_paths(result.get("preflight", {}), told("clean_up", "host_paths", told("attach", "host_paths", {}))),
            *guest_paths(
                result.get("preflight", {}), told("clean_up", "guest_paths") or told("hold", "guest_paths", {})
            ),
        ],
        "path_events": path_events(rows),
        "resources": resources(job, ledger),
        "preview": _previewed(job, previewed),
    }


def blackouts(rows: Sequence[StepRow]) -> list[dict[str, Any]]:
    """Of each cut-over that was opened, a way back's too: how long, measured by which server and how, and as estimated.

    ``ms`` None: the target's word that it serves never reached the source, whose clock measures.
    """
    found, estimate = [], None
    for row in rows:
        if row.spec.step == "pre_copy":
            estimate = row.result.get("estimate_ms")
        elif row.spec.step == "open" and "blackout_ms" in row.result:
            sides, ms = move.sides(row.spec.parameters), row.result["blackout_ms"]
            by, how = (sides.source, _MEASURED) if ms is not None else (None, "")
            told = {"serves": sides.target, "ms": ms, "estimate_ms": estimate, "measured_by": by, "how": how}
            found.append(told)
    return found


def _previewed(job: Job, result: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """What had been foretold, for the comparison."""
    if result is None:
        return None
    warnings = [f["code"] for f in result.get("findings", ()) if f["verdict"] != Verdict.OK]
    told = {"id": job.preview_id, "verdict": result.get("verdict"), "warnings": warnings}
    return {**told, "blackout_estimate_ms": result.get("estimate_ms")}


def _handovers(told: Callable[..., Any]) -> list[dict[str, Any]]:
    found = {"server": told("preflight", "server"), "guest": told("preflight", "guest", {})}
    # without a look into the guest nothing was handed over: a preview that blocks, or a restore
    if not found["server"] or not found["guest"]:
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


def host_paths(preflight: Mapping[str, Any], after: Mapping[str, int | None]) -> list[dict[str, Any]]:
    """Over how many paths the hosts had the data volumes, ``before`` and ``after``; None: not to be counted."""
    return [
        _paths(v["id"], "host", v.get("protocol", ""), v.get("paths"), after.get(v["id"]))
        for v in preflight.get("server", {}).get("volumes", ())
        if not v["boot"]
    ]


def guest_paths(preflight: Mapping[str, Any], after: Mapping[str, int]) -> list[dict[str, Any]]:
    """How many paths worked to the volumes that the guests attached themselves."""
    volumes = inside.volumes(preflight)
    before = inside.good_paths(volumes, preflight["guest"]["storage"]) if volumes else {}
    return [_paths(v["id"], "guest", "iscsi", before[v["id"]], after.get(v["id"])) for v in volumes]


def _paths(volume_id: str, by: str, protocol: str, before: int | None, after: int | None) -> dict[str, Any]:
    return {"volume_id": volume_id, "attached_by": by, "protocol": protocol, "before": before, "after": after}


def path_events(rows: Sequence[StepRow]) -> list[dict[str, Any]]:
    """Each path that was lost in a guest, and each that came back, in the order of their clocks."""
    told: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        told |= row.result.get("path_events") or {}
    return sorted(({"on": side, **e} for side, events in told.items() for e in events), key=lambda e: float(e["at"]))


def resources(job: Job, ledger: Sequence[Resource]) -> dict[str, list[dict[str, Any]]]:
    """Created (all there ever were), deleted, kept on purpose; leftovers: what an ended job has neither."""
    ended = job.state in FINAL

    def lines(*states: ResourceState) -> list[dict[str, Any]]:
        return [resource(r) for r in ledger if r.state in states]

    return {
        "created": [resource(r) for r in ledger if r.cloud_id],
        "deleted": lines(ResourceState.DELETED),
        "kept": lines(ResourceState.KEPT),
        "leftovers": lines(*OPEN_LINE) if ended else [],
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
