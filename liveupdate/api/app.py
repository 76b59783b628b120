"""The API, assembled."""

from collections.abc import Callable

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp

from liveupdate import __version__
from liveupdate.api import document, operations, problems, versions
from liveupdate.api.audit import Audit
from liveupdate.api.figures import Figures
from liveupdate.api.paging import known_query
from liveupdate.api.services import Services
from liveupdate.api.shell import Shell
from liveupdate.api.tracing import Named
from liveupdate.api.v1 import ROUTERS
from liveupdate.api.v1.streams import Streams
from liveupdate.messaging.notifications import Notification

#: Spans only: its logs would hold what errors say, and the figures are Prometheus's.
_TRACES: TelemetryConfig = {"logs": False, "metrics": False}


def build_app(services: Services, audit: Callable[[Notification], None] = lambda event: None) -> ASGIApp:
    """Outside in: the figures, ids, version and caller (shell), the audit, then the routes, then the shape of errors.

    ``audit`` tells an audit event to others, without waiting; the log has it in any case.
    """
    app = FastAPI(
        title="liveupdate",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_query)],
        responses=document.COMMON,
        telemetry=_TRACES,
    )
    app.add_middleware(Named)
    app.state.services = services
    app.state.streams = Streams(services.limits.max_streams)
    app.include_router(versions.router)
    app.include_router(operations.router)
    for router in ROUTERS:
        app.include_router(router)
    document.install(app)
    problems.install(app)
    return Figures(Shell(Audit(app, audit), services.authenticate, services.limits))
