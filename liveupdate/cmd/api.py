"""liveupdate-api: the REST API on uvicorn."""

import signal
import sys
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from liveupdate.api.app import build_app
from liveupdate.cmd.program import begin
from liveupdate.cmd.serving import auditing, services
from liveupdate.db.session import open_engine
from liveupdate.messaging.nudge import Nudger
from liveupdate.settings import Api

#: Seconds that the answers under way get when the API is to stop.
_PATIENCE = 15
#: Seconds that a connection may be idle: longer than who polls waits in between, or its next request is cut off.
_KEPT = 75


def main(argv: Sequence[str] | None = None) -> int:
    settings = begin("liveupdate-api", "Serve the REST API of liveupdate.", argv)
    serving = services(settings, open_engine(settings.database), Nudger(settings.transport_url).nudge)
    with auditing(settings) as audit:
        serve(build_app(serving, audit), settings.api)
    return 0


def serve(app: ASGIApp, api: Api) -> None:
    """Until SIGTERM or SIGINT: then answer what was asked; who only listens on is cut off after a while. Returns."""
    # uvicorn raises the signal once more when it is through: there is more to do then
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.run(
        app,
        host=api.host,
        port=api.port,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=_PATIENCE,
        timeout_keep_alive=_KEPT,
    )


if __name__ == "__main__":
    sys.exit(main())
