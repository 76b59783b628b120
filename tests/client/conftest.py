"""``serve(services, token)``: the client against the API over HTTP; ``run(command, service, *argv)``: what it shows."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token
from sqlalchemy import Engine

from liveupdate.api.services import Services
from liveupdate.api.v1 import streams
from liveupdate.testing.jobs import unreachable
from tests.api.conftest import Cloud, services_of
from tests.api.serving import serving

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from openstack.connection import Connection

    from liveupdate.client.proxy import Proxy as Proxy

Serve = Callable[[Services, str], Proxy]


@contextmanager
def served(services: Services, token: str) -> Iterator[Proxy]:
    with serving(services) as url, pytest.MonkeyPatch.context() as patch:
        # who waits for events is told at once
        patch.setattr(streams, "_INTERVAL", 0.05)
        session = Session(auth=Token(url, token))
        proxy = Proxy(session, service_type="live-update", endpoint_override=f"{url}/v1")
        # there is no catalog here from which a connection could make it
        proxy._connection = Connection(session=session)
        try:
            yield proxy
        finally:
            session.session.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda services, token: stack.enter_context(served(services, token))


@pytest.fixture
def service(sqlite: Engine, serve: Serve) -> Proxy:
    """A member of project "mine"."""
    return serve(services_of(sqlite, Cloud(), unreachable), "member@mine")


def run(command: Any, service: Proxy, *argv: str, cloud: Any = None) -> Any:
    """What ``openstack live update …`` shows: column → value, or the rows of a list.

    ``cloud``: openstacksdk's connection; without it, one with servers whose names are their ids.
    """
    compute = SimpleNamespace(find_server=lambda name, **_: SimpleNamespace(id=name))
    found = cloud or SimpleNamespace(compute=compute, live_update=service)
    told = SimpleNamespace(write=lambda text: None)
    app = SimpleNamespace(client_manager=SimpleNamespace(live_update=service, sdk_connection=found), stderr=told)
    made = command(app, None)
    columns, values = made.take_action(made.get_parser("openstack").parse_args(argv))
    return values if isinstance(values, list) else dict(zip(columns, values, strict=True))
