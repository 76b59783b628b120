"""How many steps one worker process records durably in a second: python -m tests.bench.durable_steps

20-step jobs whose steps do nothing, one worker with 1 and with 8 threads, on each database. Two transactions a step.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from sqlalchemy import Engine, func, select

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, read
from liveupdate.db.tables import jobs
from liveupdate.model import Json, Plan, StepSpec
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.states import JobState
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.testing.jobs import accept, surroundings
from liveupdate.worker.main import Worker
from tests.db import servers

STEPS = 20
JOBS = 40
NAMES = tuple(f"step-{number:02}" for number in range(STEPS))
PLAN = Plan("bench", tuple(StepSpec(name, name) for name in NAMES), NAMES[-1])


def _probe(_: StepContext) -> Probe:
    return NOT_DONE


def _apply(_: StepContext) -> Json:
    return {"id": "0f7a4c1e-5b1d-4a53-9a51-2f6f2d1c9b10"}


def _undo(_: StepContext) -> None:
    raise AssertionError("nothing fails here")


def measure(engine: Engine, threads: int) -> str:
    """Steps per second, and the processor time this process needed for one: what other load cannot spoil."""
    for _ in range(JOBS):
        accept(engine, plan=PLAN)
    worker = Worker(
        engine,
        WorkerSettings(threads=threads, lease=60, poll_interval=1),
        surroundings(),
        {name: Step(name, name, _probe, _apply, _undo) for name in NAMES},
        look=lambda kind: {},
        delete_trust=lambda trust: None,
        forget=lambda job: None,
    )
    thread = Thread(target=worker.run)
    begun, used = time.monotonic(), time.process_time()
    thread.start()
    while _open(engine):
        time.sleep(0.02)
    seconds, used = time.monotonic() - begun, time.process_time() - used
    worker.stop()
    thread.join()
    steps = JOBS * STEPS
    return f"{steps / seconds:.0f}/s with {threads} threads ({1000 * used / steps:.1f} ms of processor a step)"


def _open(engine: Engine) -> int:
    with read(engine) as connection:
        query = select(func.count()).select_from(jobs).where(jobs.c.state != JobState.SUCCEEDED)
        return connection.execute(query).scalar_one()


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/liveupdate.sqlite"


def main() -> None:
    for name, serve in (("sqlite", sqlite), ("mariadb", servers.mariadb), ("postgresql", servers.postgresql)):
        with tempfile.TemporaryDirectory(prefix="liveupdate-bench-") as folder, serve(Path(folder)) as url:
            engine = open_engine(url)
            upgrade(engine)
            told = ", ".join(measure(engine, threads) for threads in (1, 8))
            print(f"{name}: durable steps: {told}", flush=True)
            engine.dispose()


if __name__ == "__main__":
    main()
