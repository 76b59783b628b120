"""One POST to a URL that somebody else has chosen: nothing of the answer counts but its status."""

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from urllib.parse import urlsplit

from liveupdate.messaging import addresses
from liveupdate.messaging.addresses import IPNetwork, NotAllowed

#: Of the answer, whatever else it says: enough for a status line.
_LONGEST_LINE = 1024


class Refused(Exception):
    """No 2xx came in time. The message is safe to log."""


def post(url: str, headers: Mapping[str, str], body: bytes, seconds: float, networks: Sequence[IPNetwork]) -> None:
    """POST ``body`` within ``seconds``, name resolution apart; ``networks`` are allowed beside public addresses.

    The address that was checked is the one connected to; redirects are not followed; plain http only within
    ``networks``. Raises Refused.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    try:
        address = addresses.resolve(host, port, networks)
        if not secure and not addresses.within(address, networks):
            raise NotAllowed("plain http is not allowed there")
        status = _exchange(str(address), port, host if secure else "", _request(url, headers, body), seconds)
    except (OSError, NotAllowed, ValueError) as error:
        told = str(error) if isinstance(error, NotAllowed) else type(error).__name__
        raise Refused(told) from None
    if not 200 <= status < 300:
        raise Refused(f"answered {status}")


def _request(url: str, headers: Mapping[str, str], body: bytes) -> bytes:
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fixed = {"Host": parts.netloc, "Content-Length": str(len(body)), "Connection": "close"}
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fixed, **headers}.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a line break in a header")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body


def _exchange(address: str, port: int, tls_name: str, request: bytes, seconds: float) -> int:
    """The status of the answer. All of it within ``seconds``, however slowly the other end drips."""
    end = time.monotonic() + seconds
    with closing(socket.create_connection((address, port), timeout=seconds)) as plain:
        connection = plain
        if tls_name:
            plain.settimeout(_left(end))
            connection = ssl.create_default_context().wrap_socket(plain, server_hostname=tls_name)
        with closing(connection):
            connection.settimeout(_left(end))
            connection.sendall(request)
            return _status(connection, end)


def _status(connection: socket.socket, end: float) -> int:
    begun = b""
    while b"\n" not in begun and len(begun) < _LONGEST_LINE:
        connection.settimeout(_left(end))
        more = connection.recv(_LONGEST_LINE - len(begun))
        if not more:
            break
        begun += more
    line, ended, _ = begun.partition(b"\n")
    words = line.split(None, 2)
    if not ended or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("no HTTP")
    return int(words[1])


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
