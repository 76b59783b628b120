"""Whether something listens or answers: the readiness of services that speak TCP or HTTP."""

import http.client
import socket


def listening(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=2):
            return True
    except OSError:
        return False


def answers(address: str, port: int, path: str = "/") -> bool:
    """Whether an HTTP server gives any answer but an error of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
