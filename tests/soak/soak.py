"""Jobs for a number of workers, some of which are killed, and a broker that goes away; what came of it."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, select

from liveupdate.db import clock, words
from liveupdate.db import jobs as job_queries
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs
from liveupdate.engine.runner import DEADLY
from liveupdate.messaging.nudge import Nudger
from liveupdate.states import FINAL, STUCK, JobState
from liveupdate.testing.jobs import new_job
from tests.soak import verdict
from tests.soak.broker import Broker
from tests.soak.cloud import FolderCloud
from tests.soak.crowd import Crowd
from tests.soak.outages import Outages
from tests.soak.worker import PLAN, SETTINGS

#: Jobs that wait for each thread: what ends is followed by as many, and a nudge.
_AHEAD = 10
#: Seconds between looks at the jobs.
_LOOK = 0.5
#: Seconds without any job ending after which those that are left are lost; in which a worker has to hear a nudge.
_PATIENCE = 120.0
#: What is too many lists of one worker in an interval, and what a worker may grow by, in MiB.
_LISTS, _GROWTH = 1.2, 8.0


@dataclass(frozen=True)
class Load:
    jobs: int
    workers: int
    #: Of workers, and of the broker.
    kills: int = 0
    restarts: int = 0


@dataclass(frozen=True)
class Told:
    load: Load
    killed: int
    #: Of each time that the broker was away: jobs that ended meanwhile.
    away: tuple[int, ...]
    #: Jobs that the engine would give to no other worker, since three had died with them; they were retried.
    retried: int
    #: By the database's clock, from the first job's start to the last one's end.
    seconds: float
    lists: int
    gets: int
    nudges: int
    #: Of each worker at its begin, every ten minutes, and at the end, in MiB; of those that were not killed.
    memory: tuple[tuple[float, ...], ...]
    #: By the journal, by the cloud, and by who did not hear.
    found: tuple[str, ...]

    @property
    def speed(self) -> float:
        return self.load.jobs / self.seconds

    @property
    def lists_each(self) -> float:
        """Lists of one worker in one interval."""
        return self.lists * SETTINGS.poll_interval / self.seconds / self.load.workers

    @property
    def violations(self) -> tuple[str, ...]:
        return (*self.found, *self._costs())

    def _costs(self) -> Iterator[str]:
        if (self.killed, len(self.away)) != (self.load.kills, self.load.restarts):
            yield f"{self.killed} workers were killed, and the broker was away {len(self.away)} times"
        if not all(self.away):
            yield "no job ended while the broker was away"
        if self.lists_each > _LISTS:
            yield f"{self.lists_each:.2f} lists of a worker in an interval"
        # one when it has begun, one when it is woken; whoever takes it over looks, and looks again
        most = 2 * self.load.jobs + 2 * SETTINGS.threads * self.killed
        if self.gets > most:
            yield f"{self.gets} gets, of {most} at most"
        yield from (f"{m[0]:.0f} MiB became {m[-1]:.0f}" for m in self.memory if m[-1] - m[0] > _GROWTH)


def soak(engine: Engine, broker: Broker, folder: Path, load: Load, chance: random.Random) -> Told:
    """``engine``: of a database with our tables, whose jobs are removed; ``folder``: an empty one."""
    cloud, nudge = FolderCloud(folder), Nudger(broker.url).nudge
    url = engine.url.render_as_string(hide_password=False)
    ids: list[str] = []
    killed, retried, ended, moved = 0, 0, 0, time.monotonic()
    with _at_work(Crowd(url, broker.url, folder, load.workers)) as crowd:
        with Outages(broker, lambda: _ended(engine)) as outages:
            while ended < load.jobs and time.monotonic() - moved < _PATIENCE:
                wanted = min(load.jobs, ended + _AHEAD * load.workers * SETTINGS.threads)
                if wanted > len(ids):
                    ids += _accept(engine, wanted - len(ids))
                    nudge()
                time.sleep(_LOOK)
                retried += write(engine, _retry)
                now = _ended(engine)
                if now > ended:
                    ended, moved = now, time.monotonic()
                    crowd.note(cloud.heard())
                if killed < _due(load.kills, ended, load.jobs):
                    crowd.kill_one(chance)
                    killed += 1
                outages.begin(_due(load.restarts, ended, load.jobs))
        away = outages.over()
        deaf = _deaf(crowd, cloud, nudge)
        memory = crowd.memory()
    calls = cloud.calls()
    found = (
        *verdict.by_the_journal(engine),
        *verdict.by_the_cloud(cloud, ids, calls),
        *(f"worker {pid} hears no nudge" for pid in deaf),
    )
    seconds = _seconds(engine)
    write(engine, lambda connection: connection.execute(delete(jobs)))
    return Told(load, killed, away, retried, seconds, calls["list"], calls["get"], calls["nudge"], memory, found)


def _due(strikes: int, ended: int, number: int) -> int:
    """How many of them by now: the first one with the first job, the last one before five of six jobs have ended."""
    return min(strikes, ceil(1.2 * strikes * ended / number))


def _deaf(crowd: Crowd, cloud: FolderCloud, nudge: Callable[[], None]) -> set[int]:
    """Workers that hear nothing though the broker is there."""
    before, end = cloud.heard(), time.monotonic() + _PATIENCE
    while True:
        nudge()
        time.sleep(_LOOK)
        heard = cloud.heard()
        deaf = {pid for pid in crowd.pids() if heard[pid] == before[pid]}
        if not deaf or time.monotonic() > end:
            return deaf


@contextmanager
def _at_work(crowd: Crowd) -> Iterator[Crowd]:
    try:
        yield crowd
    finally:
        crowd.stop()


def _accept(engine: Engine, number: int) -> list[str]:
    """All of them in one transaction."""
    return write(
        engine, lambda connection: [job_queries.create(connection, new_job(plan=PLAN))[0].id for _ in range(number)]
    )


def _retry(connection: Connection) -> int:
    """What an operator does with jobs that three workers have died with: chance has met them thrice."""
    met = (jobs.c.state == JobState.NEEDS_ATTENTION, jobs.c.code == DEADLY)
    ids = connection.scalars(select(jobs.c.id).where(*met)).all()
    for job_id in ids:
        words.retry(connection, job_queries.get(connection, job_id))
    return len(ids)


def _ended(engine: Engine) -> int:
    with read(engine) as connection:
        there = (jobs.c.state.in_(FINAL)) | (jobs.c.state.in_(STUCK))
        return connection.execute(select(func.count()).select_from(jobs).where(there)).scalar_one()


def _seconds(engine: Engine) -> float:
    with read(engine) as connection:
        begun, ended = connection.execute(select(func.min(jobs.c.started_at), func.max(jobs.c.finished_at))).one()
    return float(ended - begun) / clock.SECOND
