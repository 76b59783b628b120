"""Who answers on an address: the network cards that clients hear, as they hear them on the lab's data bridge."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lab.settings import DATA_BRIDGE

_EVERY_PROTOCOL = 0x0003
_IPV4, _ARP = 0x0800, 0x0806
#: Where a frame has its sender's address, by its protocol.
_SENDER = {_IPV4: 26, _ARP: 28}
_LONGEST = 1 << 16
#: Seconds.
_LOOK = 0.2


@contextmanager
def heard(address: str) -> Iterator[list[str]]:
    """The hardware addresses that frames from ``address`` came from, each time that it was another one."""
    changes: list[str] = []
    over = threading.Event()
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_EVERY_PROTOCOL)) as ear:
        ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 20)
        ear.bind((DATA_BRIDGE, 0))
        ear.settimeout(_LOOK)
        listener = threading.Thread(target=_listen, args=(ear, socket.inet_aton(address), changes, over))
        listener.start()
        try:
            yield changes
        finally:
            over.set()
            listener.join()


def _listen(ear: socket.socket, address: bytes, changes: list[str], over: threading.Event) -> None:
    while not over.is_set():
        try:
            frame = ear.recv(_LONGEST)
        except TimeoutError:
            continue
        (protocol,) = struct.unpack_from("!H", frame, 12)
        at = _SENDER.get(protocol)
        if at and frame[at : at + 4] == address:
            sender = frame[6:12].hex(":")
            if changes[-1:] != [sender]:
                changes.append(sender)
