"""One worker process of the soak."""

import logging
import os
import signal
from pathlib import Path
from threading import Thread

from liveupdate.db.session import open_engine
from liveupdate.errors import Retry, Watch
from liveupdate.messaging.nudge import Listener
from liveupdate.model import Json, Plan, StepSpec
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.steps.protocol import Probe, Step, StepContext
from liveupdate.testing.jobs import surroundings
from liveupdate.worker.main import Worker
from tests.soak.cloud import FolderCloud

#: Each makes something of its own; "build" waits for it, "tidy" first takes away what the others have made.
NAMES = ("build", "copy", "switch", "tidy")
PLAN = Plan("soak", tuple(StepSpec(name, name) for name in NAMES), "switch")
SETTINGS = WorkerSettings(threads=5, lease=6.0, poll_interval=1.0)


def thing(context: StepContext) -> str:
    return f"{context.job.id}.{context.spec.id}"


def steps(cloud: FolderCloud) -> dict[str, Step]:
    def probe(context: StepContext) -> Probe:
        made = cloud.is_made(thing(context))
        return Probe(made and (context.spec.id != "build" or cloud.get(thing(context)) == "ACTIVE"))

    def apply(context: StepContext) -> Json:
        name = thing(context)
        if context.spec.id == "tidy":
            cloud.remove(*(f"{context.job.id}.{other}" for other in NAMES[:-1]))
        if not cloud.is_made(name):
            cloud.make(name)
        if context.spec.id == "build" and (seen := cloud.get(name)) != "ACTIVE":
            raise Retry(600, "waits for the server", watch=Watch("server", name, seen), counts=False)
        return {"id": name}

    def undo(context: StepContext) -> None:
        raise AssertionError("nothing fails here")

    return {name: Step(name, name, probe, apply, undo) for name in NAMES}


def main(database: str, broker: str, folder: Path) -> None:
    logging.basicConfig(level=logging.ERROR)
    # of a broker that is away it would tell for each look at it
    logging.getLogger("oslo.messaging").setLevel(logging.CRITICAL)
    cloud = FolderCloud(folder)
    worker = Worker(
        open_engine(database),
        SETTINGS,
        surroundings(),
        steps(cloud),
        look=lambda kind: cloud.states(),
        delete_trust=lambda trust: None,
        forget=lambda job: None,
    )

    def heard() -> None:
        cloud.count("nudge", str(os.getpid()))
        worker.nudged.set()

    signal.signal(signal.SIGTERM, lambda *_: Thread(target=worker.stop).start())
    listener = Listener(broker, worker.owner, heard)
    worker.run()
    listener.stop()
