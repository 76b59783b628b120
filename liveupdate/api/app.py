"""The API, assembled."""

from fastapi import FastAPI
from starlette.types import ASGIApp

from liveupdate import __version__
from liveupdate.api import problems, versions
from liveupdate.api.services import Services
from liveupdate.api.shell import Shell
from liveupdate.api.v1 import ROUTERS


def build_app(services: Services) -> ASGIApp:
    """Outside in: ids, version and caller (shell), then the routes, then the shape of errors."""
    app = FastAPI(title="liveupdate", version=__version__, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.services = services
    app.include_router(versions.router)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    return Shell(app, services.authenticate)
