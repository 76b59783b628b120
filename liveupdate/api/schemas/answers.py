"""What the API answers, for its OpenAPI document; api/v1/views.py and its neighbours make it. A field may be added at
any time, so none of these is closed."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from liveupdate.model import Handover, Verdict
from liveupdate.states import JobState, ResourceState, StepState


class Link(BaseModel):
    rel: str
    href: str


class Problem(BaseModel):
    """``code`` is stable once shipped."""

    status: int
    code: str
    title: str
    detail: str
    remedy: str
    request_id: str
    links: list[Link]
    #: With 406.
    min_version: str = ""
    max_version: str = ""


class Problems(BaseModel):
    errors: list[Problem]


class Server(BaseModel):
    id: str
    name: str


class _Asked(BaseModel):
    id: str
    method: str
    server: Server
    project_id: str
    user_id: str
    parameters: dict[str, Any]
    state: JobState
    reason: str
    code: str
    remedy: str
    step: str
    progress: int = Field(ge=0, le=100)
    cancel_requested: bool
    request_id: str
    global_request_id: str
    deadline: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    links: list[Link]


class Job(_Asked):
    pivot: str
    paused: bool
    decision: Literal["", "confirm", "rollback", "cleanup"]
    not_before: datetime | None
    window: str | None
    approval: Literal["", "needed", "given"]
    approved_by: str
    preview_id: str | None


class Finding(BaseModel):
    code: str
    verdict: Verdict
    detail: str
    remedy: str
    subject: str


class Preview(_Asked):
    """``verdict`` null, and no findings, as long as it is under way."""

    expires_at: datetime | None
    verdict: Verdict | None
    findings: list[Finding]
    units: list[dict[str, Any]]
    captured: list[dict[str, Any]]
    blackout_estimate_ms: float | None


class JobOrPreview(BaseModel):
    job: Job | None = None
    preview: Preview | None = None


class StepError(BaseModel):
    code: str
    detail: str
    remedy: str


class Step(BaseModel):
    id: str
    step: str
    state: StepState
    attempts: int
    error: StepError | None
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None
    expected_seconds: float | None


class Steps(BaseModel):
    """``remaining_seconds``: until the job has ended, by what earlier ones took; null where that is not known."""

    steps: list[Step]
    remaining_seconds: float | None
    blackout_ms: float | None


class Event(BaseModel):
    id: int
    type: str
    step: str
    detail: dict[str, Any]
    at: datetime


class Resource(BaseModel):
    kind: str
    role: str
    name: str
    cloud_id: str
    state: ResourceState
    created_at: datetime
    deleted_at: datetime | None


class ReportedResources(BaseModel):
    created: list[Resource]
    deleted: list[Resource]
    kept: list[Resource]
    leftovers: list[Resource]


class ReportedUnit(BaseModel):
    name: str
    handover: Handover
    reason: str


class ReportedStep(BaseModel):
    id: str
    state: StepState
    seconds: float | None


class ReportedBlackout(BaseModel):
    """``serves``: who does since; ``measured_by``: the server whose clock did; null, like ``ms``, where none could."""

    serves: Literal["original", "surrogate"]
    ms: float | None
    estimate_ms: float | None
    measured_by: Literal["original", "surrogate"] | None
    how: str


class PackageChange(BaseModel):
    """``before``, ``after``: its version; null where it was, or is, not installed."""

    name: str
    before: str | None
    after: str | None


class ReportedPreview(BaseModel):
    """What the preview that the job was started from had foretold; ``warnings``: codes of its findings."""

    id: str
    verdict: Verdict | None
    warnings: list[str]
    blackout_estimate_ms: float | None


class ReportedPaths(BaseModel):
    volume_id: str
    attached_by: Literal["host", "guest"]
    protocol: str
    before: int | None
    after: int | None


class ReportedVolume(BaseModel):
    """``size`` in GiB; ``seconds`` of its making."""

    kind: str
    role: str
    cloud_id: str
    size: int
    type: str | None
    bytes: int | None
    seconds: float | None
    frozen_ms: float | None
    state: ResourceState
    kept_until: datetime | None


class ReportedHandover(BaseModel):
    """How a data volume went from one server to the other, why so, and what that took of the blackout."""

    volume_id: str
    way: str
    reason: str
    mounts: list[str]
    disk_ms: int | None
    unmount_ms: int | None
    attach_ms: int | None
    mount_ms: int | None


class Report(BaseModel):
    """``packages``: as asked for; ``package_changes``: what has become of them, null where that is not known (yet).

    ``captured``, ``frozen_ms`` and ``image``: of a capture; ``deployed``: of a deploy.
    """

    job_id: str
    state: JobState
    server_id: str
    new_server_id: str | None
    kernel_before: str | None
    kernel_after: str | None
    units: list[ReportedUnit]
    blackouts: list[ReportedBlackout]
    blackout_ms: float | None
    blackout_estimate_ms: float | None
    timeline: list[Any]
    bytes: int
    packages: list[str] | str
    package_changes: list[PackageChange] | None
    stale_processes: list[Any]
    captured: list[dict[str, Any]]
    frozen_ms: float | None
    image: dict[str, Any] | None
    deployed: list[dict[str, Any]]
    steps: list[ReportedStep]
    volumes: list[ReportedVolume]
    handovers: list[ReportedHandover]
    paths: list[ReportedPaths]
    path_events: list[dict[str, Any]]
    resources: ReportedResources
    preview: ReportedPreview | None


class MethodStep(BaseModel):
    name: str
    title: str
    skippable: bool


class Method(BaseModel):
    name: str
    title: str
    steps: list[MethodStep]
    pivot: str | None


class FallbackJob(BaseModel):
    id: str
    method: str | None


class FallbackPart(BaseModel):
    """``size`` in GiB; ``boot``: whether the operating system lies on it; ``seconds`` of its making; null where that is
    not known."""

    kind: str
    role: str
    name: str
    cloud_id: str
    size: int | None
    type: str | None
    boot: bool | None
    volume_id: str | None
    seconds: float | None


class Fallback(BaseModel):
    id: str
    server: Server
    original_server_id: str
    project_id: str
    kind: Literal["snapshot", "backup", "image"]
    size: int
    parts: list[FallbackPart]
    made_at: datetime
    kept_until: datetime
    job: FallbackJob | None
    links: list[Link]


class ImageDisk(BaseModel):
    snapshot_id: str
    size: int


class Image(BaseModel):
    """``size``: GiB of all its disks; what Glance does not know is null."""

    id: str
    name: str
    status: str
    project_id: str
    size: int
    min_disk: int
    min_ram: int
    disks: list[ImageDisk]
    kernel: str | None
    packages_sha256: str | None
    source_server_id: str | None
    source_image_id: str | None
    captured_at: str | None
    job_id: str | None
    links: list[Link]


class HostGroup(BaseModel):
    name: str
    default: bool
    policy: str
    fill_ceiling: int
    minimum_paths: int
    make_room: bool
    without_metrics: str
    hosts: list[str]
    faults: list[str]
    links: list[Link]


class PlacedHost(BaseModel):
    host: str
    verdict: str
    reason: str
    score: float | None


class Placement(BaseModel):
    server_id: str
    job_id: str | None
    host: str | None
    group: str | None
    policy: str | None
    note: str
    hosts: list[PlacedHost]
    left_out: dict[str, int]
    moves: list[dict[str, Any]]
    why_not: str
    refused_by_nova: dict[str, str]


class Check(BaseModel):
    """``detail``: what is the matter."""

    name: str
    status: Literal["ok", "failed"]
    detail: str


class Worker(BaseModel):
    name: str
    version: str
    started_at: datetime
    seen_at: datetime
    alive: bool


class Health(BaseModel):
    status: Literal["ok", "degraded"]
    checks: list[Check]
    workers: list[Worker]


class Version(BaseModel):
    id: str
    status: str
    min_version: str
    max_version: str
    version: str
    links: list[Link]


class Versions(BaseModel):
    versions: list[Version]
