"""A server whose host is gone without a word: who waits for it is told in half a minute, not after hours."""

import socket
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, event

#: Seconds in which a new connection must come about.
_CONNECT = 10
#: Seconds of silence before the host is asked for a sign of life, between two such questions, and their number.
_IDLE, _INTERVAL, _COUNT = 10, 5, 3
#: Milliseconds in which what was sent must have been received.
_SENT = 1000 * (_IDLE + _INTERVAL * _COUNT)

#: libpq's names for them.
POSTGRESQL: Mapping[str, int] = {
    "connect_timeout": _CONNECT,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _COUNT,
    "tcp_user_timeout": _SENT,
}
MARIADB: Mapping[str, int] = {"connect_timeout": _CONNECT}

_OPTIONS = (
    (socket.TCP_KEEPIDLE, _IDLE),
    (socket.TCP_KEEPINTVL, _INTERVAL),
    (socket.TCP_KEEPCNT, _COUNT),
    (socket.TCP_USER_TIMEOUT, _SENT),
)


def for_pymysql(engine: Engine) -> Engine:
    """It has no names for them. A time-out of its own would end long statements of a sound server, too."""

    def prepare(connection: Any, _: Any) -> None:
        line: socket.socket = connection._sock  # it has no other name
        if line.family != socket.AF_UNIX:
            for option, value in _OPTIONS:
                line.setsockopt(socket.IPPROTO_TCP, option, value)

    event.listen(engine, "connect", prepare)
    return engine
