"""A step's context without engine and database: the ledger in a list, results in a dict."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.metrics import Nothing, Source
from liveupdate.model import Held, Job, JobKind, Json, Plan, Reservation, Resource, StepSpec
from liveupdate.settings import Settings, load
from liveupdate.states import OPEN_LINE, JobState, ResourceState
from liveupdate.steps.protocol import Step

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.guest import Guest

_THEN = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class MemoryLedger:
    """See steps/protocol.py: Ledger. ``before`` is called with each write's name first, and may raise."""

    job_id: str
    lines: list[Resource] = field(default_factory=list)
    before: Callable[[str], None] = lambda write: None
    #: Kept lines of earlier jobs that ended: id → whether it is gone.
    ended: dict[int, bool] = field(default_factory=dict)

    def intend(self, kind: str, role: str, details: Json | None = None) -> Resource:
        self.before("intend")
        if there := self.find(kind, role):
            return there
        line = Resource(
            id=len(self.lines) + 1,
            job_id=self.job_id,
            kind=kind,
            role=role,
            name=marks.name(self.job_id, role),
            cloud_id="",
            state=ResourceState.INTENDED,
            details=dict(details or {}),
            created_at=_THEN,
            deleted_at=None,
        )
        self.lines.append(line)
        return line

    def created(self, resource: Resource, cloud_id: str, details: Json | None = None) -> Resource:
        self.before("created")
        told = {**resource.details, **(details or {})}
        return self._put(replace(resource, state=ResourceState.CREATED, cloud_id=cloud_id, details=told))

    def deleted(self, resource: Resource) -> None:
        self.before("deleted")
        self._put(replace(resource, state=ResourceState.DELETED, deleted_at=_THEN))

    def ready(self, resource: Resource) -> None:
        self.before("ready")
        line = self.lines[resource.id - 1]
        self._put(replace(line, details={"seconds": 0.5, **line.details}))

    def kept(self, resource: Resource, days: float | None = None) -> None:
        self.before("kept")
        until = None if days is None else _THEN + timedelta(days=days)
        self._put(replace(self.lines[resource.id - 1], state=ResourceState.KEPT, keep_until=until))

    def end_keeping(self, resource_id: int, *, gone: bool) -> None:
        self.before("end_keeping")
        self.ended[resource_id] = gone

    def find(self, kind: str, role: str) -> Resource | None:
        found = [r for r in self.open() if (r.kind, r.role) == (kind, role)]
        return found[-1] if found else None

    def open(self) -> list[Resource]:
        return [r for r in self.lines if r.state in OPEN_LINE]

    def past(self, kind: str) -> list[Resource]:
        return [r for r in self.lines if r.kind == kind and r.state not in OPEN_LINE]

    def _put(self, line: Resource) -> Resource:
        self.lines[line.id - 1] = line
        return line


@dataclass
class MemoryReservations:
    """See steps/protocol.py: Reservations. ``others`` is what other jobs hold; time does not pass, but see ``end``."""

    job_id: str
    others: dict[str, Held] = field(default_factory=dict)
    own: Reservation | None = None
    before: Callable[[str], None] = lambda write: None

    def held(self) -> Mapping[str, Held]:
        return dict(self.others)

    def mine(self) -> Reservation | None:
        return self.own

    def take(self, host: str, resources: Mapping[str, int], room: Mapping[str, int], mark: int, seconds: float) -> bool:
        self.before("take")
        held = self.others.get(host, Held())
        if held.mark != mark or any(n > room.get(k, 0) - held.resources.get(k, 0) for k, n in resources.items()):
            return False
        self.own = Reservation(self.job_id, host, dict(resources), self.own.refused if self.own else {}, True)
        return True

    def renew(self, seconds: float) -> bool:
        self.before("renew")
        return bool(self.own and self.own.live)

    def release(self) -> None:
        self.before("release")
        self.end()

    def refuse(self, host: str, why: str) -> None:
        self.before("refuse")
        if self.own is None or self.own.host == host:
            self.own = Reservation(self.job_id, host, {}, self.own.refused if self.own else {}, False)
        self.own = replace(self.own, refused={**self.own.refused, host: why})

    def end(self) -> None:
        """Its time is over, or it was given back."""
        if self.own:
            self.own = replace(self.own, resources={}, live=False)


def job(**changes: Any) -> Job:
    """A running update job; ``changes`` are fields of Job."""
    made = Job(
        id="0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10",
        kind=JobKind.UPDATE,
        project_id="project",
        user_id="user",
        method="test",
        server_id="original",
        server_name="server",
        parameters={},
        plan=Plan("test", (), ""),
        state=JobState.RUNNING,
        reason="",
        code="",
        remedy="",
        step="",
        progress=0,
        request_id="req-00000000-0000-4000-8000-000000000000",
        trust_id="trust",
        roles=("member",),
        cancel_requested=False,
        decision="",
        outcome="",
        deadline=None,
        created_at=_THEN,
        updated_at=_THEN,
        started_at=_THEN,
        finished_at=None,
    )
    return replace(made, **changes)


@dataclass
class MemoryContext:
    """See steps/protocol.py: StepContext. Clouds and guests are whatever the test hands in."""

    job: Job
    user: Any
    service: Any
    guests: Mapping[str, Any] = field(default_factory=dict)
    results: dict[str, Json] = field(default_factory=dict)
    settings: Settings = field(default_factory=lambda: load(config_files=[]))
    spec: StepSpec = field(default_factory=lambda: StepSpec("step", "step"))
    attempt: int = 1
    events: list[tuple[str, Json]] = field(default_factory=list)
    source: Source = field(default_factory=Nothing)

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger(self.job.id)
        self.reservations = MemoryReservations(self.job.id)

    def result(self, step_id: str) -> dict[str, Any]:
        return dict(self.results.get(step_id, {}))

    def user_cloud(self) -> "Cloud":
        cloud: Cloud = self.user
        return cloud

    def service_cloud(self) -> "Cloud":
        cloud: Cloud = self.service
        return cloud

    def guest(self, side: str) -> "Guest":
        guest: Guest = self.guests[side]
        return guest

    def metrics(self) -> Source:
        return self.source

    def event(self, type: str, **detail: Any) -> None:
        self.events.append((type, detail))

    def checkpoint(self) -> None:
        """Nobody interrupts."""

    def run(self, step: Step) -> Json:
        """Apply, as the engine would, and keep the result under the part that the step plays."""
        result = step.apply(self)
        self.results[step.part or step.name] = result
        return result
