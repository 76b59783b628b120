"""Frames of ARP; and whether a neighbour answers on one interface: if the wire behind it really leads there."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress

ETHERTYPE = 0x0806
REQUEST, REPLY = 1, 2
#: Seconds between two questions.
_AGAIN = 0.3


def frame(operation: int, mac: str, own: str, asked: str, target: bytes = b"\0" * 6) -> bytes:
    """To everybody, from ``mac``: who has ``asked``, tell ``own`` (both IPv4). ``target``: hardware, if it is known."""
    hardware, sender, wanted = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(own), socket.inet_aton(asked)
    body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, hardware, sender, target, wanted)
    return b"\xff" * 6 + hardware + struct.pack("!H", ETHERTYPE) + body


def is_answer(heard: bytes, asked: str) -> bool:
    return heard[20:22] == struct.pack("!H", REPLY) and heard[28:32] == socket.inet_aton(asked)


def answers(name: str, mac: str, address: str, neighbour: str, patience: float = 3.0) -> bool:
    """Whether ``neighbour`` answers ``address`` (both IPv4) on the interface within so many seconds."""
    question = frame(REQUEST, mac, address, neighbour)
    end = time.monotonic() + patience
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
        line.bind((name, ETHERTYPE))
        while time.monotonic() < end:
            line.send(question)
            again = time.monotonic() + _AGAIN
            while (left := again - time.monotonic()) > 0:
                line.settimeout(left)
                with suppress(OSError):  # nothing came in time
                    if is_answer(line.recv(128), neighbour):
                        return True
    return False
