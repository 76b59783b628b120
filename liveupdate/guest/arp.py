"""Ask a neighbour on one interface, and hear its answer: whether the wire behind the interface really leads there."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

_ARP = 0x0806
_REPLY = b"\0\2"
#: Seconds between two questions.
_AGAIN = 0.3


def request(hardware: bytes, own: bytes, asked: bytes) -> bytes:
    """The frame of "who has ``asked``, tell ``own``", to everybody."""
    body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, hardware, own, b"\0" * 6, asked)
    return b"\xff" * 6 + hardware + struct.pack("!H", _ARP) + body


def is_answer(frame: bytes, asked: bytes) -> bool:
    return frame[20:22] == _REPLY and frame[28:32] == asked


def answers(name: str, mac: str, address: str, neighbour: str, patience: float = 3.0) -> bool:
    """Whether ``neighbour`` answers ``address`` (both IPv4) on the interface within so many seconds."""
    asked = socket.inet_aton(neighbour)
    question = request(bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address), asked)
    end = time.monotonic() + patience
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
        line.bind((name, _ARP))
        while time.monotonic() < end:
            line.send(question)
            again = time.monotonic() + _AGAIN
            while (left := again - time.monotonic()) > 0:
                line.settimeout(left)
                with suppress(OSError):  # nothing came in time
                    if is_answer(line.recv(128), asked):
                        return True
    return False
