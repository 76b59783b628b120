"""liveupdate-all: API and worker in one process, SQLite, no broker: the embedded default."""

import sys
from collections.abc import Sequence
from threading import Thread

from liveupdate.api.app import build_app
from liveupdate.cmd.api import serve
from liveupdate.cmd.assembly import serving_figures, teller, worker
from liveupdate.cmd.program import begin
from liveupdate.cmd.serving import auditing, services
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine


def main(argv: Sequence[str] | None = None) -> int:
    settings = begin("liveupdate-all", "Serve the REST API and drive the jobs, in one process.", argv)
    engine = open_engine(settings.database)
    upgrade(engine)
    working, telling = worker(settings, engine), teller(settings, engine)
    serving = services(settings, engine, working.nudged.set)
    thread = Thread(target=working.run, name="worker")
    thread.start()
    telling.start()
    try:
        # uvicorn takes the signals; once it has answered its last request, the worker stops too
        with serving_figures(settings, engine), auditing(settings) as audit:
            serve(build_app(serving, audit), settings.api)
    finally:
        working.stop()
        thread.join()
        telling.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
