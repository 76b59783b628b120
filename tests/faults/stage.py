"""One job of the method surrogate with one fault at one point of it, and what is true afterwards."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Engine, delete, update
from sqlalchemy.exc import OperationalError

from liveupdate.db import clock, events, resources, tables, words
from liveupdate.db.session import read, write
from liveupdate.drivers.cloud import marks
from liveupdate.engine.claim import claim_next
from liveupdate.engine.context import Surroundings
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import UNFORESEEN, Runner
from liveupdate.errors import LeaseLost, LiveUpdateError
from liveupdate.model import Job, StepRow
from liveupdate.states import FINAL, JobState, ResourceState
from liveupdate.steps.protocol import Step
from liveupdate.testing.faults import Fault, Killed, Others
from liveupdate.testing.jobs import expire_lease, look, say
from liveupdate.testing.pair import Pair
from liveupdate.testing.points import Point, Points

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud

STUCK = (JobState.NEEDS_ATTENTION, JobState.UNDO_FAILED)
#: How a job is led: to its end; undone, since the workload is not well on the surrogate; moved back from hold.
_ENDS = {"forward": JobState.SUCCEEDED, "undo": JobState.UNDONE, "back": JobState.UNDONE}
COURSES = tuple(_ENDS)
#: The server boots from a volume, and its data volume may be attached twice.
FIRST = "multiattach"
#: Of what the owner of a job's server has done to it, or to the surrogate.
OWNERS = ("live-update.server.", "live-update.surrogate.")
#: The original must be let start its workload, and be rebooted.
_BY_HAND = ("live-update.cut-over.restarted-while-away", "live-update.cut-over.lost-while-away")
#: Turns after which a step that waits still is over its time-out.
_LONG = 60
#: Rollbacks asked for before the operator confirms what cannot be taken back.
_ASKS = 3


@dataclass(frozen=True)
class Trial:
    """``point`` None: no fault, for counting out the points. ``world``: of WORLDS in doubles.py."""

    course: str
    fault: Fault | None = None
    point: Point | None = None
    world: str = FIRST

    def __str__(self) -> str:
        where = f"{self.point} in {self.point.way} of {self.point.step or 'nothing'}" if self.point else "nowhere"
        world = "" if self.world == FIRST else f"{self.world}, "
        return f"{world}{self.course}: {self.fault.name if self.fault else 'nothing'} {where}"


@dataclass(frozen=True)
class Outcome:
    """``end``: "done", "undone", "parked" (then it was healed, and ended), or "vain": nothing came of the fault.

    ``violations``: empty, or what broke.
    """

    end: str
    violations: tuple[str, ...] = ()


class Ground(Others, Protocol):
    """A cloud, a double or a real one, with the server whose job is played, and two doubles of guests."""

    engine: Engine
    steps: Mapping[str, Step]
    surroundings: Surroundings

    @property
    def pair(self) -> Pair: ...

    def accept(self, **parameters: Any) -> str: ...

    def let_pass(self, job_id: str) -> None:
        """The time that the job is parked for."""

    def cancel(self, job_id: str) -> bool:
        """False: it comes too late."""

    def clean_up(self, job_id: str) -> None:
        """The operator asks for it, once he has done what he is told to."""

    def everything(self) -> "Cloud":
        """For listing, as an administrator."""

    def left_behind(self, kept: set[str]) -> list[str]:
        """Of an ended job, marked or not, but for these ids."""

    def assert_updated(self, job_id: str) -> None: ...

    def assert_as_before(self, job_id: str) -> None: ...


@dataclass
class Stage:
    ground: Ground
    trial: Trial = field(default_factory=lambda: Trial("forward"))
    passed: list[Point] = field(default_factory=list)
    struck: bool = False
    #: What kept the fault itself from happening.
    broke: str = ""
    in_vain: bool = False
    cancelled: bool = False
    #: How often a rollback was asked for.
    asked: int = 0
    job_id: str = ""

    def __post_init__(self) -> None:
        self.engine = self.ground.engine
        self.lasting: Callable[[Point], None] = _nothing
        self.conditions = ExitStack()
        #: The job and its steps, as a frozen worker's successors have left them.
        self.left: tuple[Job, dict[str, StepRow]] | None = None
        self.points = Points(self.reach)
        inner = self.ground.surroundings
        self.surroundings = replace(
            inner,
            user_cloud=lambda job: self.points.cloud(inner.user_cloud(job), "user"),
            service_cloud=lambda job: self.points.cloud(inner.service_cloud(job), "service"),
            guest=lambda context, side: self.points.guest(inner.guest(context, side), side),
        )

    @property
    def others(self) -> Others:
        return self.ground

    # -- the fault -------------------------------------------------------------------------------------------------

    def reach(self, point: Point) -> None:
        self.passed.append(point)
        self.lasting(point)
        if point == self.trial.point and not self.struck and self.trial.fault:
            self.struck = True
            try:
                self.trial.fault.strike(self, point)
            except (LiveUpdateError, OperationalError):
                raise
            except Exception as error:
                # the step must not be taken to have failed as it was meant to
                self.broke = f"{type(error).__name__}: {error}"
                raise

    def heal(self) -> None:
        self.lasting = _nothing
        self.conditions.close()

    def freeze(self) -> None:
        """Its clock tells the worker when it wakes."""
        self.claim.lease.until = 0
        self.freeze_unaware()

    def freeze_unaware(self) -> None:
        """As long as it takes from the look at the clock to the call: nothing can tell it."""
        expire_lease(self.engine, self.job_id)
        points, self.points.step, self.points.way = (self.points.step, self.points.way), "", "apply"
        self.lead()
        self.points.step, self.points.way = points
        self.left = look(self.engine, self.job_id)

    def cancel(self) -> None:
        self.cancelled = self.ground.cancel(self.job_id)

    def outlast(self, step: str) -> None:
        long = clock.microseconds(30 * 86400)
        here = (tables.steps.c.job_id == self.job_id, tables.steps.c.spec_id == step)
        began = tables.steps.c.started_at - long
        write(self.engine, lambda c: c.execute(update(tables.steps).where(*here).values(started_at=began)))

    # -- the job ---------------------------------------------------------------------------------------------------

    def play(self) -> Outcome:
        if self.trial.course == "undo":
            self.ground.pair.trouble = "sick"
        self.job_id = self.ground.accept(confirm=self.trial.course == "back")
        try:
            parked = was_parked = self.lead()
            violations = self._parked_well() if parked else []
            for _ in range(3):
                if not parked:
                    break
                self.heal()
                self._do_as_told()
                self.ground.clean_up(self.job_id)
                parked = self.lead()
        except AssertionError as error:
            return Outcome("broken", (_told(error),))
        finally:
            self.heal()
        job, _ = look(self.engine, self.job_id)
        if job.state not in FINAL:
            return Outcome("stuck", (f"{job.state} for ever: {job.reason}",))
        violations += self._ended_well(job) + self._ended_as_it_must(job, was_parked)
        if self.in_vain:
            return Outcome("vain", tuple(violations))
        ended = "done" if job.state == JobState.SUCCEEDED else "undone"
        return Outcome("parked" if was_parked else ended, tuple(violations))

    def lead(self) -> bool:
        """Until the job has ended (False), or is parked with a person's remedy (True)."""
        for turn in range(200):
            job, _ = look(self.engine, self.job_id)
            if job.state in FINAL or job.state in STUCK:
                return job.state in STUCK
            if self.trial.course == "back" and job.state == JobState.WAITING and job.step == "hold":
                self._ask_back(job)
            if turn % _LONG == _LONG - 1 and job.step != "hold":
                self.outlast(job.step)
            self.ground.let_pass(self.job_id)
            self.drive()
        raise AssertionError(f"never ends: {job.state} at {job.step}: {job.reason}")

    def drive(self) -> None:
        claimed = claim_next(self.engine, "worker", 60)
        assert claimed is not None
        self.claim = claimed.claim
        journal = Journal(self.engine, claimed.claim, 60)
        try:
            Runner(self.surroundings, self.ground.steps).run(self.points.journal(journal), claimed)
        except Killed:
            expire_lease(self.engine, self.job_id)
        except LeaseLost:
            # it was frozen, and has changed nothing since; or the whole test was
            now = look(self.engine, self.job_id)
            assert self.left in (None, now), "a worker that was outlived wrote to the journal"
        except OperationalError:
            # as the worker does, once the database answers it
            with suppress(LeaseLost):
                journal.release()

    def _do_as_told(self) -> None:
        """The remedy of what a person has to see to in a guest."""
        if look(self.engine, self.job_id)[0].code in _BY_HAND:
            self.ground.pair.away.discard("original")
            self.ground.pair.restart("original")

    def _ask_back(self, job: Job) -> None:
        if job.decision != "rollback":
            # once more only after the cause has been seen to; and if that does not help, not again
            if self.struck:
                self.heal()
            self.asked += 1
            word = "rollback" if self.asked <= _ASKS else "confirm"
            say(self.engine, self.job_id, words.decide, word)

    # -- what is true ----------------------------------------------------------------------------------------------

    def _parked_well(self) -> list[str]:
        job, _ = look(self.engine, self.job_id)
        told = [] if job.code and job.reason else [f"{job.state} without a reason"]
        told += [] if job.remedy else [f"{job.state} without a remedy: {job.code}: {job.reason}"]
        return told + self._orphans()

    def _ended_as_it_must(self, job: Job, was_parked: bool) -> list[str]:
        """For such a fault."""
        why, fault = f"{job.state}: {job.code}: {job.reason}", self.trial.fault
        told = [f"there was no fault: {self.broke}"] if self.broke else []
        if fault and not self.struck:
            told.append(f"the fault did not strike; {why}")
        if (self.in_vain or not fault or fault.unfelt) and (was_parked or job.state != _ENDS[self.trial.course]):
            told.append(f"{'parked before that, ' if was_parked else ''}{why}; without the fault it is not")
        if self.cancelled and job.state == JobState.SUCCEEDED:
            told.append("cancelled, and it went on")
        turned_back = self.trial.course == "forward" and job.state == JobState.UNDONE and not self.in_vain
        if fault and fault.owners and turned_back and not job.code.startswith(OWNERS):
            told.append(f"does not say what the owner has done: {why}")
        return told

    def _ended_well(self, job: Job) -> list[str]:
        told = self._orphans()
        with read(self.engine) as connection:
            lines = resources.of_job(connection, self.job_id)
            there_were = events.of_job(connection, self.job_id)
        told += [f"open line: {r.kind} {r.role}" for r in lines if r.state in (ResourceState.INTENDED, "created")]
        if job.code and not job.remedy:
            told.append(f"{job.state} without a remedy: {job.code}: {job.reason}")
        kept = {r.cloud_id for r in lines if r.state == ResourceState.KEPT}
        told += self.ground.left_behind(kept)
        there = present(self.ground.everything())
        told += [f"kept, but gone: {r.kind} {r.role}" for r in lines if r.cloud_id in kept - there]
        told += self.ground.pair.broken
        unforeseen = [event.detail["detail"] for event in there_were if event.detail.get("code") == UNFORESEEN]
        told += [f"unforeseen: {detail}" for detail in unforeseen]
        try:
            if job.state == JobState.SUCCEEDED:
                self.ground.assert_updated(self.job_id)
            else:
                self.ground.assert_as_before(self.job_id)
        except (AssertionError, ValueError) as error:
            told.append(f"{job.state}, but: {_told(error)}")
        return told

    def _orphans(self) -> list[str]:
        """What bears the job's mark in the cloud, and the ledger does not have."""
        with read(self.engine) as connection:
            lines = resources.of_job(connection, self.job_id)
        there = {(r.kind, r.cloud_id) for r in lines if r.state in ("created", "kept")}
        coming = {(r.kind, r.role) for r in lines if r.state == ResourceState.INTENDED}
        return [
            f"orphan: {kind} {role}"
            for kind, role, identifier in marked(self.ground.everything(), self.job_id)
            if (kind, identifier) not in there and (kind, role) not in coming
        ]


def marked(cloud: "Cloud", job_id: str) -> Iterator[tuple[str, str, str]]:
    """(kind, role, id) of everything there that bears the job's mark."""
    begin = f"liveupdate:{job_id}:"
    for server in cloud.servers.all():
        yield from (("server", t.removeprefix(begin), server.id) for t in server.tags if t.startswith(begin))
        if server.locked_reason == marks.lock_reason(job_id):
            yield "lock", "original", server.id
    for port in cloud.ports.all():
        if port.description.startswith(begin):
            yield "port", port.description.removeprefix(begin), port.id
    stored: dict[str, Sequence[Any]] = {
        "volume": cloud.volumes.all(),
        "snapshot": cloud.snapshots.all(),
        "image": cloud.images.all(),
        "backup": cloud.backups.all(),
    }
    for kind, there in stored.items():
        for found in there:
            if found.metadata.get(marks.JOB) == job_id:
                yield kind, found.metadata[marks.ROLE], found.id


def present(cloud: "Cloud") -> set[str]:
    """The ids of all that is there, marked or not."""
    servers = cloud.servers.all()
    every = (servers, cloud.ports.all(), cloud.volumes.all(), cloud.snapshots.all(), cloud.images.all())
    attached = {each.id for server in servers for each in cloud.attachments.of_server(server.id)}
    return {each.id for there in (*every, cloud.backups.all()) for each in there} | attached


def _told(error: Exception) -> str:
    """Outside of pytest an assertion has no words of its own."""
    return str(error) or str(extract_tb(error.__traceback__)[-1].line)


def _nothing(_: Point) -> None:
    """All is well."""


def perform(ground: Ground, trial: Trial) -> tuple[Outcome, list[Point]]:
    """What becomes of it, and the points that were passed. The database's jobs are gone afterwards."""
    stage = Stage(ground, trial)
    try:
        return stage.play(), stage.passed
    finally:
        write(ground.engine, lambda connection: connection.execute(delete(tables.jobs)))
