"""What a worker process runs whose steps write to files.

Each step appends its name to FOLDER/log. The step "switch" is in force from then on, but returns only once FOLDER/gate
is there: so a test can kill, freeze or stop the worker in its middle. The release "new" has other code for every step,
in another order, and one step more.
"""

import logging
import os
import signal
from pathlib import Path
from threading import Event, Thread

from liveupdate.db.session import open_engine
from liveupdate.model import Json
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.steps.protocol import Probe, Step, StepContext
from liveupdate.testing.jobs import STEPS, surroundings
from liveupdate.worker.main import Worker

LEASE = 2.0


def steps(folder: Path, release: str) -> dict[str, Step]:
    log, gate = folder / "log", folder / "gate"

    def probe(context: StepContext) -> Probe:
        return Probe(context.spec.id in log.read_text().split())

    def apply(context: StepContext) -> Json:
        with log.open("a") as file:
            file.write(f"{context.spec.id}\n")
        while context.spec.id == "switch" and not gate.exists():
            Event().wait(0.05)
        return {"pid": os.getpid(), "release": release}

    def undo(context: StepContext) -> None:
        raise AssertionError("nothing is undone in these tests")

    names = ("verify", *reversed(STEPS)) if release == "new" else STEPS
    return {name: Step(name, name, probe, apply, undo) for name in names}


def main(database: str, folder: Path, release: str, log: Path) -> None:
    logging.basicConfig(level=logging.INFO, filename=log)
    worker = Worker(
        open_engine(database),
        WorkerSettings(threads=2, lease=LEASE, poll_interval=0.1),
        surroundings(),
        steps(folder, release),
        look=lambda kind: {},
        delete_trust=lambda trust: None,
        forget=lambda job: None,
    )
    signal.signal(signal.SIGTERM, lambda *_: Thread(target=worker.stop).start())
    worker.run()
