"""oslo.messaging as we use it: on threads."""

from typing import Any

from oslo_config import cfg
from oslo_service import backend

# oslo.messaging takes oslo.service's default back-end, eventlet, unless another was chosen before its import
backend.init_backend(backend.BackendType.THREADING)

import oslo_messaging  # noqa: E402

Target = oslo_messaging.Target
parse = oslo_messaging.TransportURL.parse
get_rpc_client, get_rpc_server = oslo_messaging.get_rpc_client, oslo_messaging.get_rpc_server


# the global options, unread: oslo.messaging registers its tracing options nowhere else, and asks for them
def rpc(url: str) -> Any:
    return oslo_messaging.get_rpc_transport(cfg.CONF, url)


def notifications(url: str) -> Any:
    return oslo_messaging.get_notification_transport(cfg.CONF, url)
