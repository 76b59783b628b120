"""A worker whose jobs stand still in the middle until they are let go on, as a program with an environment of its own.

python -m tests.worker.gated DATABASE FOLDER THREADS LEASE: the jobs are those of the soak, FOLDER is their cloud, and
the log is told on stderr.
"""

import logging
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from unittest import mock

from sqlalchemy import Engine, RowMapping, event, select

from liveupdate import logs
from liveupdate.db.session import open_engine, read
from liveupdate.db.tables import jobs
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.testing.jobs import surroundings
from liveupdate.worker.main import Worker
from tests.soak.cloud import FolderCloud
from tests.soak.worker import steps

ROOT = Path(__file__).parents[2]


class Gated(FolderCloud):
    """What "switch" makes is there at once, but the call returns only once its job is let go on.

    A server is built once somebody has asked for it: a cloud by whose clock nobody's is judged.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._asked = folder / "asked"
        self._let_on = folder / "let_on"
        for place in (self._asked, self._let_on):
            place.mkdir(exist_ok=True)

    def make(self, name: str) -> None:
        super().make(name)
        job_id, _, step = name.partition(".")
        while step == "switch" and not (self._let_on / job_id).exists():
            time.sleep(0.05)

    def get(self, name: str) -> str:
        seen = self._state(name)
        (self._asked / name).touch()
        return seen

    def states(self) -> Mapping[str, str]:
        return {name: self._state(name) for name in os.listdir(self._made)}

    def let_on(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            (self._let_on / job_id).touch()

    def in_the_middle(self) -> int:
        """How many jobs stand still, or have: nobody waits for those that were let on."""
        return sum(name.endswith(".switch") for name in self.made())

    def connects(self) -> Counter[str]:
        """How often each worker has tried to connect to the database."""
        lines = (line.split() for line in self._log.read_text().splitlines())
        return Counter(told[1] for told in lines if told[0] == "connect")

    def _state(self, name: str) -> str:
        return "ACTIVE" if (self._asked / name).exists() else "BUILD"


def held(engine: Engine, worker: "subprocess.Popen[bytes]") -> Mapping[str, RowMapping]:
    """The jobs that the worker has in hand: fence and lease_until, by id."""
    its = jobs.c.lease_owner.contains(f":{worker.pid}:")
    with read(engine) as connection:
        rows = connection.execute(select(jobs.c.id, jobs.c.fence, jobs.c.lease_until).where(its)).mappings()
        return {row["id"]: row for row in rows}


@contextmanager
def at_work(
    database: str, folder: Path, log: Path, lease: float, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker with two threads. ``env``: beside ours."""
    argv = [sys.executable, "-m", "tests.worker.gated", database, str(folder), "2", str(lease)]
    with log.open("ab") as output:
        worker = subprocess.Popen(argv, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **(env or {})})
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


def main(database: str, folder: str, threads: str, lease: str) -> None:
    logs.begin("text", logging.INFO)
    # libfaketime refuses to sleep until a time by a clock that it leaves alone, as Python does
    mock.patch("time.sleep", Event().wait).start()
    cloud = Gated(Path(folder))
    engine = open_engine(database)
    event.listen(engine, "do_connect", lambda *_: cloud.count("connect", str(os.getpid())))
    worker = Worker(
        engine,
        WorkerSettings(threads=int(threads), lease=float(lease), poll_interval=1.0),
        surroundings(),
        steps(cloud),
        look=lambda kind: cloud.states(),
        delete_trust=lambda trust: None,
        forget=lambda job: None,
    )
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=worker.stop).start())
    worker.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
