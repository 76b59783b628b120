"""The API, assembled."""

from fastapi import Depends, FastAPI
from starlette.types import ASGIApp

from liveupdate import __version__
from liveupdate.api import document, problems, versions
from liveupdate.api.paging import known_query
from liveupdate.api.services import Services
from liveupdate.api.shell import Shell
from liveupdate.api.v1 import ROUTERS
from liveupdate.api.v1.streams import Streams


def build_app(services: Services) -> ASGIApp:
    """Outside in: ids, version and caller (shell), then the routes, then the shape of errors."""
    app = FastAPI(
        title="liveupdate",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(known_query)],
        responses=document.COMMON,
    )
    app.state.services = services
    app.state.streams = Streams(services.limits.max_streams)
    app.include_router(versions.router)
    for router in ROUTERS:
        app.include_router(router)
    document.install(app)
    problems.install(app)
    return Shell(app, services.authenticate, services.limits)
