"""The API, assembled."""

from collections.abc import Callable
from functools import cache

from fastapi import Depends, FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Receive, Scope, Send

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
    return Figures(Shell(Audit(_Served(_routes(), services), audit), services.authenticate, services.limits))


class _Served:
    """An ASGI filter that gives the routes what they serve from."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app = app
        self._given = {"services": services, "streams": Streams(services.limits.max_streams)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {}).update(self._given)
        await self._app(scope, receive, send)


@cache
def _routes() -> FastAPI:
    """They hold nothing of those who serve them, and take long to make: once in a process."""
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
    for router in (versions.router, operations.router, *ROUTERS):
        app.include_router(router)
    document.install(app)
    problems.install(app)
    return app
