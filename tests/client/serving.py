"""The API over HTTP, and the client that speaks to it."""

import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.auth import authorizer
from liveupdate.api.services import Services
from liveupdate.drivers.metrics import Nothing
from liveupdate.testing.jobs import unreachable
from tests.api.conftest import Cloud, authenticate

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from openstack.connection import Connection

    from liveupdate.client.proxy import Proxy


@contextmanager
def serving(engine: Engine, token: str, cloud: Any = None, infrastructure: Any = unreachable) -> Iterator[Proxy]:
    """``token``: who calls, "role@project"."""
    services = Services(
        engine=engine,
        authenticate=authenticate,
        authorize=authorizer(),
        cloud=cloud or Cloud(),
        methods={},
        trust_roles=("member",),
        nudge=lambda: None,
        infrastructure=infrastructure,
        metrics=Nothing(),
    )
    server = uvicorn.Server(uvicorn.Config(build_app(services), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the API did not start"
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    session = Session(auth=Token(url, token))
    proxy = Proxy(session, service_type="live-update", endpoint_override=f"{url}/v1")
    # there is no catalog here from which a connection could make it
    proxy._connection = Connection(session=session)
    yield proxy
    session.session.close()
    server.should_exit = True
    thread.join()
