"""The API over HTTP, as long as it takes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from tests.waiting import until


@contextmanager
def serving(services: Services, port: int = 0) -> Iterator[str]:
    """Its root URL, without a slash at its end. ``port`` 0: any."""
    app = build_app(services)
    config = uvicorn.Config(app, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=0)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started or not thread.is_alive())
    assert server.started, "the API did not start"
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
