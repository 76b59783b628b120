"""Whether a broker can be reached, for the health check."""

import socket

from oslo_config import cfg

from liveupdate.messaging import transport

_SECONDS = 3.0
_PORTS = {"rabbit": 5672, "kafka": 9092}


def fault(url: str) -> str:
    """Why no host of the broker's takes a connection; "" if one does, or if it is none on the network."""
    parsed = transport.parse(cfg.CONF, url)
    port = _PORTS.get(parsed.transport)
    why = ""
    for host in parsed.hosts if port else ():
        try:
            with socket.create_connection((host.hostname, host.port or port), timeout=_SECONDS):
                return ""
        except OSError as error:
            why = type(error).__name__
    return why
