"""TCP ports of this machine."""

import socket


def free() -> int:
    """One that nobody listens on yet."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
