"""A hint from the API to the workers that there may be work. Losing every one of them costs a poll interval."""

import logging
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from liveupdate.messaging import transport

LOG = logging.getLogger(__name__)

_TOPIC = "liveupdate-nudges"
#: Seconds that a listener has for taking its leave of the broker; one that does not answer is not waited for.
_FAREWELL = 5.0


class Nudger:
    """Sends nudges; without a broker (url "") it does nothing. Never raises, never waits: whoever nudges goes on.

    Nudges that come while one is being sent become one.
    """

    def __init__(self, url: str) -> None:
        self._wanted = Event()
        if url:
            target = transport.Target(topic=_TOPIC, fanout=True)
            self._client = transport.get_rpc_client(transport.rpc(url), target, retry=0)
            Thread(target=self._send, name="nudger", daemon=True).start()

    def nudge(self) -> None:
        self._wanted.set()

    def _send(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()
            try:
                self._client.cast({}, "nudge")
            # kombu's and the sockets' own errors come through as they are; their text may hold the URL
            except Exception as error:
                LOG.warning("the broker does not take a nudge: %s", type(error).__name__)


class _Endpoint:
    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def nudge(self, context: dict[str, Any]) -> None:
        self._heard()


class Listener:
    """Calls ``heard`` for each nudge; without a broker (url "") it does nothing. It waits for the broker only when it
    stops, and not for long. ``server``: the listener's own name.
    """

    def __init__(self, url: str, server: str, heard: Callable[[], None]) -> None:
        self._listening, self._stopping = Event(), Event()
        if url:
            target = transport.Target(topic=_TOPIC, server=server)
            self._server = transport.rpc_server(url, target, _Endpoint(heard))
            self._thread = Thread(target=self._listen, name="nudges", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        # until it has been started, a server waits in its own stop
        if self._listening.is_set():
            self._thread.join(_FAREWELL)

    def _listen(self) -> None:
        try:
            # it returns once the broker has been there
            self._server.start()
            self._listening.set()
            self._stopping.wait()
            self._server.stop()
            # its threads end, and what it has in the broker
            self._server.wait()
        # as above: their text may hold the URL
        except Exception as error:
            LOG.error("nudges are not heard: %s", type(error).__name__)
