"""liveupdate-api: the REST API on uvicorn."""

import sys
from collections.abc import Sequence

import uvicorn

from liveupdate.api.app import build_app
from liveupdate.cmd.assembly import services
from liveupdate.cmd.program import begin
from liveupdate.db.session import open_engine
from liveupdate.messaging.nudge import Nudger

#: Seconds that streams of events are given when the process is told to stop.
STOP = 5


def main(argv: Sequence[str] | None = None) -> int:
    settings = begin("liveupdate-api", "Serve the REST API of liveupdate.", argv)
    app = build_app(services(settings, open_engine(settings.database), Nudger(settings.transport_url).nudge))
    uvicorn.run(
        app,
        host=settings.api.host,
        port=settings.api.port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=STOP,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
