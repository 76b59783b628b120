"""What a step gets while it runs: the journal, the ledger, clouds and guests, behind one claim."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liveupdate.engine.journal import Journal
from liveupdate.engine.reservations import Reservations
from liveupdate.errors import Cancelled, LeaseLost
from liveupdate.model import Job, Json, Resource, StepRow, StepSpec
from liveupdate.settings import Settings
from liveupdate.states import OPEN_LINE, JobState, ResourceState

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.guest import Guest
    from liveupdate.drivers.metrics import Source as Metrics


@dataclass(frozen=True)
class Surroundings:
    """How a worker reaches the world; doubles stand here in the engine's own tests."""

    settings: Settings
    user_cloud: "Callable[[Job], Cloud]"
    service_cloud: "Callable[[Job], Cloud]"
    #: (context, side) → the guest's driver; kept until the job is given back.
    guest: "Callable[[Context, str], Guest]"
    metrics: "Metrics"


class Ledger:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def intend(self, kind: str, role: str, details: Json | None = None) -> Resource:
        return self._journal.intend(kind, role, details or {})

    def created(self, resource: Resource, cloud_id: str, details: Json | None = None) -> Resource:
        return self._journal.created(resource, cloud_id, details)

    def deleted(self, resource: Resource) -> None:
        self._journal.closed(resource, ResourceState.DELETED)

    def ready(self, resource: Resource) -> None:
        self._journal.ready(resource)

    def kept(self, resource: Resource, days: float | None = None) -> None:
        self._journal.closed(resource, ResourceState.KEPT, days)

    def end_keeping(self, resource_id: int, *, gone: bool) -> None:
        self._journal.end_keeping(resource_id, gone=gone)

    def find(self, kind: str, role: str) -> Resource | None:
        found = [r for r in self.open() if (r.kind, r.role) == (kind, role)]
        return found[-1] if found else None

    def open(self) -> list[Resource]:
        return [r for r in self._journal.resources() if r.state in OPEN_LINE]

    def past(self, kind: str) -> list[Resource]:
        return [r for r in self._journal.resources() if r.kind == kind and r.state not in OPEN_LINE]


class Context:
    """See steps/protocol.py: StepContext. One for each call of a step."""

    def __init__(
        self, surroundings: Surroundings, journal: Journal, job: Job, rows: Sequence[StepRow], row: StepRow
    ) -> None:
        self._surroundings = surroundings
        self._journal = journal
        self._rows = rows
        self._row = row
        self.job = job
        self.ledger = Ledger(journal)
        self.reservations = Reservations(journal)

    @property
    def spec(self) -> StepSpec:
        return self._row.spec

    @property
    def settings(self) -> Settings:
        return self._surroundings.settings

    @property
    def attempt(self) -> int:
        return self._row.attempts + 1

    def result(self, step_id: str) -> dict[str, Any]:
        found = [r for r in self._rows if r.spec.id == step_id and r.result]
        # the journal keeps its own: what a step does with this must not be what another one reads
        return deepcopy(dict(found[-1].result)) if found else {}

    def user_cloud(self) -> "Cloud":
        return self._surroundings.user_cloud(self.job)

    def service_cloud(self) -> "Cloud":
        return self._surroundings.service_cloud(self.job)

    def guest(self, side: str) -> "Guest":
        return self._surroundings.guest(self, side)

    def metrics(self) -> "Metrics":
        return self._surroundings.metrics

    def event(self, type: str, **detail: Any) -> None:
        self._journal.event(type, self.spec.id, detail)

    def checkpoint(self) -> None:
        if self._journal.claim.lost.is_set():
            raise LeaseLost(self.job.id)
        job, rows = self._journal.look()
        if job.cancel_requested and job.state != JobState.UNDOING and not job.plan.pivot_begun(rows):
            raise Cancelled(job.id)
