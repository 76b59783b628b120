"""Jobs for a number of workers, some of which are killed; what came of it."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, func, select

from liveupdate.db import clock
from liveupdate.db import jobs as job_queries
from liveupdate.db.session import read, write
from liveupdate.db.tables import events, jobs
from liveupdate.states import FINAL, JobState
from liveupdate.testing.jobs import new_job
from tests.soak.cloud import FolderCloud
from tests.soak.worker import NAMES, PLAN, SETTINGS, main

#: A worker is forked off one that has imported all it needs: a process that is killed is followed by another at once.
_PROCESSES = get_context("forkserver")
#: Seconds until a worker has loaded and opened all that it works with.
_SETTLES = 5.0
#: Seconds without any job ending after which those that are left are lost.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Told:
    jobs: int
    workers: int
    kills: int
    #: By the database's clock, from the first job's start to the last one's end.
    seconds: float
    lists: int
    gets: int
    #: Of each worker at its begin and at the end, in MiB; of those that were not killed.
    memory: tuple[tuple[float, float], ...]
    violations: tuple[str, ...]

    @property
    def speed(self) -> float:
        return self.jobs / self.seconds

    @property
    def lists_each(self) -> float:
        """Lists of one worker in one interval."""
        return self.lists * SETTINGS.poll_interval / self.seconds / self.workers


class Crowd:
    """``workers`` processes; one that is killed is followed by another."""

    def __init__(self, url: str, folder: Path, workers: int) -> None:
        self._for = (url, folder)
        self._there: list[BaseProcess] = []
        self._since: dict[int, float] = {}
        self._at_begin: dict[int, float] = {}
        for _ in range(workers):
            self._start()

    def kill_one(self, chance: random.Random) -> None:
        struck = self._there.pop(chance.randrange(len(self._there)))
        struck.kill()
        struck.join()
        self._at_begin.pop(_pid(struck), None)
        self._start()

    def note(self) -> None:
        """Remember what memory they have once they have found into their work."""
        for process in self._there:
            if time.monotonic() - self._since[_pid(process)] > _SETTLES:
                self._at_begin.setdefault(_pid(process), _memory(_pid(process)))

    def memory(self) -> tuple[tuple[float, float], ...]:
        return tuple((begin, _memory(pid)) for pid, begin in self._at_begin.items())

    def stop(self) -> None:
        for process in self._there:
            process.terminate()
        for process in self._there:
            process.join(60)

    def _start(self) -> None:
        process = _PROCESSES.Process(target=main, args=self._for)
        process.start()
        self._since[_pid(process)] = time.monotonic()
        self._there.append(process)


def _pid(process: BaseProcess) -> int:
    assert process.pid is not None, "it was started"
    return process.pid


def _memory(pid: int) -> float:
    """Of a process, what it has in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def soak(engine: Engine, folder: Path, number: int, workers: int, kills: int, chance: random.Random) -> Told:
    """``engine``: of a database with our tables, whose jobs are removed; ``folder``: an empty one."""
    cloud = FolderCloud(folder)
    ids = write(engine, lambda connection: _accept(connection, number))
    url = engine.url.render_as_string(hide_password=False)
    killed = 0
    with _at_work(url, folder, workers) as crowd:
        ended, moved = 0, time.monotonic()
        while ended < number and time.monotonic() - moved < _PATIENCE:
            time.sleep(0.5)
            now = _ended(engine)
            if now > ended:
                ended, moved = now, time.monotonic()
                crowd.note()
            if killed < min(kills, kills * ended * 1.2 / number):
                crowd.kill_one(chance)
                killed += 1
        memory = crowd.memory()
    calls = cloud.calls()
    violations = (*_violations(engine), *_undone(cloud, ids, calls["twice"]))
    seconds = _seconds(engine)
    write(engine, lambda connection: connection.execute(delete(jobs)))
    return Told(number, workers, killed, seconds, calls["list"], calls["get"], memory, violations)


@contextmanager
def _at_work(url: str, folder: Path, workers: int) -> Iterator[Crowd]:
    _PROCESSES.set_forkserver_preload(["tests.soak.worker"])
    crowd = Crowd(url, folder, workers)
    try:
        yield crowd
    finally:
        crowd.stop()


def _accept(connection: Connection, number: int) -> list[str]:
    return [job_queries.create(connection, new_job(plan=PLAN))[0].id for _ in range(number)]


def _ended(engine: Engine) -> int:
    with read(engine) as connection:
        there = (jobs.c.state.in_(FINAL)) | (jobs.c.state.in_(job_queries.STUCK))
        return connection.execute(select(func.count()).select_from(jobs).where(there)).scalar_one()


def _seconds(engine: Engine) -> float:
    with read(engine) as connection:
        begun, ended = connection.execute(select(func.min(jobs.c.started_at), func.max(jobs.c.finished_at))).one()
    return float(ended - begun) / clock.SECOND


def _violations(engine: Engine) -> Iterator[str]:
    """By the journal: jobs that did not succeed, steps that were done twice or never."""
    per_step = (
        select(events.c.job_id, events.c.step, func.count().label("times"))
        .where(events.c.type == "step.done")
        .group_by(events.c.job_id, events.c.step)
    )
    with read(engine) as connection:
        for row in connection.execute(select(jobs.c.id, jobs.c.state, jobs.c.reason)):
            if row.state != JobState.SUCCEEDED:
                yield f"job {row.id} is {row.state}: {row.reason}"
        done = connection.execute(per_step).all()
        total = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
    yield from (f"job {row.job_id}: {row.step} was done {row.times} times" for row in done if row.times != 1)
    if len(done) != total * len(NAMES):
        yield f"{len(done)} steps were done, of {total * len(NAMES)}"


def _undone(cloud: FolderCloud, ids: list[str], twice: int) -> Iterator[str]:
    """By the cloud: what was not made, what belongs to nobody, what was to be made again."""
    wanted = {f"{job_id}.{name}" for job_id in ids for name in NAMES}
    yield from (f"{name} was not made" for name in sorted(wanted - cloud.made()))
    yield from (f"{name} belongs to no job" for name in sorted(cloud.made() - wanted))
    if twice:
        yield f"{twice} were to be made twice"
