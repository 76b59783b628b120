"""The values that travel between the layers. Frozen, no I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from liveupdate.states import JobState, ResourceState, StepState

#: What a journal or the API may carry: small JSON.
Json = Mapping[str, Any]


class Handover(StrEnum):
    """How a unit gets from the original to the surrogate (design: "surrogate")."""

    MOVE = "move"
    RESTART = "restart"
    START = "start"
    LEAVE = "leave"


class SameHost(StrEnum):
    """Whether the original's own host may take the surrogate: as the last resort, as any other host, or never."""

    LAST = "last"
    ALLOW = "allow"
    AVOID = "avoid"


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    BLOCK = "block"


@dataclass(frozen=True)
class Finding:
    """One result of the preflight. ``subject`` names the unit, volume or port it is about, if any."""

    code: str
    verdict: Verdict
    detail: str
    remedy: str = ""
    subject: str = ""

    def as_json(self) -> dict[str, str]:
        return {
            "code": self.code,
            "verdict": str(self.verdict),
            "detail": self.detail,
            "remedy": self.remedy,
            "subject": self.subject,
        }


@dataclass(frozen=True)
class StepSpec:
    """One step of a frozen plan. ``id`` is unique in it ("cut_over", "back.cut_over"); ``step`` finds the code."""

    id: str
    step: str
    parameters: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """What a job will do, frozen when it is accepted (engine rule 1).

    ``pivot`` is the id of the step after which there is no undo. ``back`` is the tail that moves the workload back on
    request after the pivot, as long as step ``back_until`` has not begun; ``back_pivot`` is the pivot of that tail.
    ``together``: the steps that touch the workload; no pause falls between them. ``skippable``: what may be left out.
    """

    method: str
    steps: tuple[StepSpec, ...]
    pivot: str
    back: tuple[StepSpec, ...] = ()
    back_pivot: str = ""
    back_until: str = ""
    together: tuple[str, ...] = ()
    skippable: tuple[str, ...] = ()

    def pivot_passed(self, rows: "Sequence[StepRow]") -> bool:
        """Whether the pivot is recorded as done. A plan without a pivot (a preview's) never passes it."""
        return any(r.spec.id == self.pivot and r.state == StepState.DONE for r in rows)

    def pivot_begun(self, rows: "Sequence[StepRow]") -> bool:
        """Whether the pivot is done or in doubt: then no cancel counts until a probe has shown that it is not."""
        return any(r.spec.id == self.pivot and r.state in (StepState.APPLYING, StepState.DONE) for r in rows)

    def may_move_back(self, rows: "Sequence[StepRow]") -> bool:
        """Between the pivot and the step that releases the original."""
        released = any(r.spec.id == self.back_until and r.state != StepState.PENDING for r in rows)
        return bool(self.back) and self.pivot_passed(rows) and not released


class JobKind(StrEnum):
    UPDATE = "update"
    #: Only the checks; touches nothing.
    PREVIEW = "preview"


@dataclass(frozen=True)
class Job:
    """A live-update job as the database holds it. Times are UTC, from the database's clock."""

    id: str
    kind: JobKind
    project_id: str
    user_id: str
    method: str
    server_id: str
    server_name: str
    #: The request's validated parameters.
    parameters: Json
    plan: Plan
    state: JobState
    #: Why it is in this state, for a person; with ``code`` and ``remedy`` where it went wrong, or waits in trouble.
    reason: str
    code: str
    remedy: str
    #: The step it is at: a StepSpec id, "" before the first.
    step: str
    #: Done steps of all, 0–100.
    progress: int
    request_id: str
    trust_id: str
    #: Roles carried by the trust.
    roles: tuple[str, ...]
    cancel_requested: bool
    #: "", "confirm" or "rollback": the operator's word for a job in hold; "cleanup": for one that is stuck.
    decision: str
    #: What undoing ends in: "undone", "cancelled" or "hold" (back in hold); "" while it goes forward.
    outcome: str
    #: Before its pivot it is undone when this time comes.
    deadline: datetime | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    #: It begins no sooner.
    not_before: datetime | None = None
    #: Maintenance window in which it begins and touches the workload, as planning/windows.py reads it; "": any time.
    window: str = ""
    #: "", "needed" or "given".
    approval: str = ""
    #: The user who approved it.
    approved_by: str = ""
    #: Somebody asked for a pause: it rests at the next boundary between steps that allows it.
    paused: bool = False
    #: The preview that it was started from.
    preview_id: str | None = None
    #: The id that the caller's own request went by, if it said so; ``request_id`` is the API's.
    global_request_id: str = ""


@dataclass(frozen=True)
class StepRow:
    """The journal's line of one step."""

    job_id: str
    position: int
    spec: StepSpec
    state: StepState
    attempts: int
    result: Json
    #: {"code", "detail", "remedy"} of the last failure; {} if none.
    error: Json
    started_at: datetime | None
    finished_at: datetime | None
    #: Seconds it took, waiting included.
    seconds: float | None


@dataclass(frozen=True)
class Resource:
    """One line of the ledger: a cloud object made by a job.

    ``name`` is deterministic for (job, role); the object carries the tag or metadata ``liveupdate:<job>:<role>``.
    ``kind``: server, volume, snapshot, backup, image, port, attachment, guest_attachment, interface, trust, lock,
    metadata, address_pair, migration (of a neighbour that makes room).
    ``details`` of volumes, images and the like: "size" in GiB, "type", and "seconds" that its making took.
    """

    id: int
    job_id: str
    kind: str
    role: str
    name: str
    cloud_id: str
    state: ResourceState
    details: Json
    created_at: datetime
    deleted_at: datetime | None
    #: Set on what is kept as a fallback: when its time is over.
    keep_until: datetime | None = None


@dataclass(frozen=True)
class Sighting:
    """Something in the cloud that carries the mark of a job, whoever knows of it; of a trust ``job_id`` is "".

    ``kind``, ``role``, ``name``, ``cloud_id`` as in a line of the ledger. ``details``: what such a line must have
    ("server_id" of a lock, …), and what it is used for: "servers" that a volume is on, "device_id" of a port,
    "volume_id" of a snapshot; "status" and "idle" of a server.
    """

    kind: str
    job_id: str
    role: str
    name: str
    cloud_id: str
    details: Json


@dataclass(frozen=True)
class Fallback:
    """What a job has kept to return to. ``id`` is the job's; ``server_id`` the server that serves now in its stead."""

    id: str
    project_id: str
    server_id: str
    server_name: str
    #: The server as it was before the job, which is gone.
    original_server_id: str
    made_at: datetime
    kept_until: datetime
    #: Lines of kind snapshot, backup, image or volume.
    parts: tuple[Resource, ...]
    #: The port that the server serves on, attached by its id.
    port_id: str
    #: The open job that restores or ends it, if any, and that job's method.
    job_id: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to a job. ``id`` grows, without order between jobs being promised."""

    id: int
    job_id: str
    type: str
    step: str
    detail: Json
    at: datetime


@dataclass(frozen=True)
class Happening:
    """An event with the job it happened to; of its step, which code that ran and when it had begun.

    ``foretold``: the verdict of the preview that the job was started from, "" if there was none.
    """

    event: Event
    job: Job
    step: str = ""
    step_began_at: datetime | None = None
    foretold: str = ""

    @property
    def step_seconds(self) -> float | None:
        """From the step's beginning to the event, waiting included."""
        return None if self.step_began_at is None else (self.event.at - self.step_began_at).total_seconds()


@dataclass(frozen=True)
class Utilization:
    """Of a host: shares 0 to 1 of its processors and its memory in use, the mean of the last 15 minutes."""

    cpu: float
    memory: float


@dataclass(frozen=True)
class NoData:
    """Nothing fresh is known of a host's utilization; ``why`` for a person."""

    why: str


@dataclass(frozen=True)
class Reservation:
    """Room that a job has asked for on a host until Nova has taken it; no resources once it has, or gave it back.

    ``refused``: host → why Nova would not have the surrogate there; kept as long as the job.
    """

    job_id: str
    host: str
    resources: Mapping[str, int]
    refused: Mapping[str, str]
    #: It has resources, and its time is not over.
    live: bool


@dataclass(frozen=True)
class Held:
    """What jobs hold on one host. ``mark`` grows with each reservation that ends there: what Placement said before is
    out of date then."""

    mark: int = 0
    resources: Mapping[str, int] = field(default_factory=dict)
    jobs: int = 0
