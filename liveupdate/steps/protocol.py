"""What a step is, and what it may use.

A step is data and three small functions in one file, ``STEP = Step(...)`` at its end:

``probe(context) -> Probe``  looks whether it has been applied; changes nothing; raises Unknown only if it cannot tell.
``apply(context) -> Json``   does it; called again after a crash unless probe says DONE, so it must adopt what it finds.
``undo(context) -> None``    takes it back wholly, also when half done or never done; may be repeated; may raise Retry.

apply may raise Retry, Failed, Unknown; any other exception counts as Unknown once and then as Failed.
Results are small JSON without secrets; later steps read them through ``context.result(id)``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from liveupdate.model import Held, Job, Json, Reservation, Resource, StepSpec

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.guest import Guest
    from liveupdate.drivers.metrics import Source as Metrics
    from liveupdate.settings import Settings


@dataclass(frozen=True)
class Probe:
    """``done`` with the ``result`` apply would have returned, or not done (nothing, or only a part, happened)."""

    done: bool
    result: Json = field(default_factory=dict)


NOT_DONE = Probe(False)


class Ledger(Protocol):
    """The resources this job makes: intent before the call, id after it, never overwritten. Each write is fenced."""

    def intend(self, kind: str, role: str, details: Json | None = None) -> Resource:
        """Record the intent, or return the open line that is already there for (kind, role)."""

    def created(self, resource: Resource, cloud_id: str, details: Json | None = None) -> Resource:
        """It is there; said again, what is told of it by now is added."""

    def deleted(self, resource: Resource) -> None: ...

    def ready(self, resource: Resource) -> None:
        """Its making is over: remember how long it took."""

    def kept(self, resource: Resource, days: float | None = None) -> None:
        """It stays on purpose; with ``days``, as (a part of) a fallback for so long."""

    def end_keeping(self, resource_id: int, *, gone: bool) -> None:
        """A line that an earlier job has kept as a fallback is none any more: gone, or left to its owner."""

    def find(self, kind: str, role: str) -> Resource | None:
        """The newest line for (kind, role) that is intended or created, else None."""

    def open(self) -> list[Resource]:
        """Every line that is intended or created."""

    def past(self, kind: str) -> list[Resource]:
        """Every line of this kind that is closed: deleted, or kept on purpose."""


class Reservations(Protocol):
    """Room on hosts that this job and others have asked for until Nova has taken it. Each write is fenced."""

    def held(self) -> Mapping[str, Held]:
        """host → what all other jobs hold there; hosts where nothing ever was are left out. Look before Placement."""

    def mine(self) -> Reservation | None: ...

    def take(self, host: str, resources: Mapping[str, int], room: Mapping[str, int], mark: int, seconds: float) -> bool:
        """Hold ``resources`` instead of what was held; False if others were quicker: look again.

        ``room``: what is free by Placement, whatever is held; ``mark``: the host's in ``held()``, 0 if left out.
        """

    def renew(self, seconds: float) -> bool:
        """Hold it so much longer; False if its time was over."""

    def release(self) -> None: ...

    def refuse(self, host: str, why: str) -> None:
        """Remember that Nova would not have it there, and give back what was held there."""


class StepContext(Protocol):
    """What the engine hands to a step."""

    @property
    def job(self) -> Job: ...

    @property
    def spec(self) -> StepSpec: ...

    @property
    def settings(self) -> "Settings": ...

    @property
    def ledger(self) -> Ledger: ...

    @property
    def reservations(self) -> Reservations: ...

    @property
    def attempt(self) -> int:
        """1 for the first call of apply in this job."""

    def result(self, step_id: str) -> dict[str, Any]:
        """The recorded result of an earlier step of this job; {} if it has none."""

    def user_cloud(self) -> "Cloud":
        """The cloud in the requester's name, through the job's trust. Raises Failed if the trust is gone."""

    def service_cloud(self) -> "Cloud":
        """The cloud as the service user: host choice, servers that are locked, fencing."""

    def guest(self, side: str) -> "Guest":
        """The guest's driver: side is "original" or "surrogate". Cached for the job while this worker owns it."""

    def metrics(self) -> "Metrics":
        """How busy hosts are."""

    def event(self, type: str, **detail: Any) -> None:
        """Tell whoever watches."""

    def checkpoint(self) -> None:
        """Call in long loops: raises LeaseLost, or Cancelled if cancel was asked and the pivot is not passed."""


@dataclass(frozen=True)
class Step:
    name: str
    #: For people, in the infinitive: "Copy the boot disk".
    title: str
    probe: Callable[[StepContext], Probe]
    apply: Callable[[StepContext], Json]
    undo: Callable[[StepContext], None]
    #: Calls of apply that may fail with Retry(counts=True) or an unforeseen error.
    attempts: int = 5
    #: Seconds from its first apply to giving up (Failed), waiting included; checked between calls.
    timeout: float = 900.0
    #: Its id in a plan where it plays the part of another one, whose result later steps read; "": its name.
    part: str = ""
