"""oslo.messaging as we use it: on threads."""

from typing import Any

from oslo_config import cfg
from oslo_service import backend

# oslo.messaging takes oslo.service's default back-end, eventlet, unless another was chosen before its import
backend.init_backend(backend.BackendType.THREADING)

import oslo_messaging  # noqa: E402

Target = oslo_messaging.Target
parse = oslo_messaging.TransportURL.parse
get_rpc_client = oslo_messaging.get_rpc_client


# the global options, unread: oslo.messaging registers its tracing options nowhere else, and asks for them
def rpc(url: str) -> Any:
    return oslo_messaging.get_rpc_transport(cfg.CONF, url)


def rpc_server(url: str, target: Any, endpoint: Any) -> Any:
    """Not yet started. One thread takes its messages, one after the other: by itself, oslo.messaging begins another one
    for each message, and keeps the first 64."""
    server = oslo_messaging.get_rpc_server(rpc(url), target, [endpoint])
    server.conf.set_override("executor_thread_pool_size", 1)
    return server


def notifications(url: str) -> Any:
    return oslo_messaging.get_notification_transport(cfg.CONF, url)
