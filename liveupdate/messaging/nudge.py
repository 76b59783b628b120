"""A hint from the API to the workers that there may be work. Losing every one of them costs a poll interval."""

import logging
from collections.abc import Callable
from typing import Any

import oslo_messaging
from oslo_config import cfg

LOG = logging.getLogger(__name__)

_TOPIC = "liveupdate-nudges"


def _transport(url: str) -> Any:
    conf = cfg.ConfigOpts()
    conf([], project="liveupdate", default_config_files=[])
    return oslo_messaging.get_rpc_transport(conf, url)


class Nudger:
    """Sends nudges; without a broker (url "") it does nothing. Never raises: a lost nudge costs only time."""

    def __init__(self, url: str) -> None:
        self._client = None
        if url:
            target = oslo_messaging.Target(topic=_TOPIC, fanout=True)
            self._client = oslo_messaging.get_rpc_client(_transport(url), target)

    def nudge(self) -> None:
        if self._client is None:
            return
        try:
            self._client.cast({}, "nudge")
        except (oslo_messaging.MessagingException, OSError) as error:
            LOG.warning("the broker does not take a nudge: %s", type(error).__name__)


class _Endpoint:
    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    def nudge(self, context: dict[str, Any]) -> None:
        self._heard()


def listen(url: str, server: str, heard: Callable[[], None]) -> Any | None:
    """Call ``heard`` for each nudge; returns the running server (stop() ends it), or None without a broker."""
    if not url:
        return None
    target = oslo_messaging.Target(topic=_TOPIC, server=server)
    listener = oslo_messaging.get_rpc_server(_transport(url), target, [_Endpoint(heard)], executor="threading")
    listener.start()
    return listener
