"""The API over HTTP, as long as it takes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from liveupdate.api.app import build_app
from liveupdate.api.services import Services


@contextmanager
def serving(services: Services) -> Iterator[str]:
    """Its root URL, without a slash at its end."""
    config = uvicorn.Config(build_app(services), port=0, log_config=None, access_log=False, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the API did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
