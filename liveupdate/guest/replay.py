"""Packets of clients that came while nobody could answer, given to the target the moment it opens.

A client's TCP repeats what was not acknowledged after 0.2, 0.6, 1.4, 3.0, 6.2 … seconds. Without this, one of 3.1
seconds is one of 6.2 for the client. The newest packet of each connection is enough: it holds the first byte
that is missing. Giving a packet twice is what networks do anyway.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress

from . import nics

_ETH_P_IP = 0x0800
_TCP = 6
#: linux/if_tun.h, linux/sockios.h, linux/if.h
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_SIOCSIFFLAGS, _IFF_UP, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x8914, 0x1, 0x8916, 0x891C
_DEVICE = "liveupdate0"
#: For documentation (RFC 5737), so nobody's; an interface without any address takes nothing in.
_ADDRESS = "192.0.2.1"
#: Connections remembered; more would take memory and time that the blackout does not have.
_MOST = 4096


class Capture:
    """Remembers the newest TCP packet of each connection to ``addresses`` (IPv4) until it is stopped."""

    def __init__(self, addresses: Sequence[str], macs: Sequence[str]) -> None:
        self._addresses = {socket.inet_aton(address) for address in addresses if ":" not in address}
        self._newest: dict[bytes, bytes] = {}
        self._stopped = threading.Event()
        self._sockets = [_listen(mac) for mac in sorted(set(macs))]
        self._thread = threading.Thread(target=self._read, name="capture", daemon=True)
        self._thread.start()

    def stop(self) -> list[bytes]:
        """The packets, oldest connection first. Idempotent."""
        self._stopped.set()
        self._thread.join()
        return list(self._newest.values())

    def _read(self) -> None:
        while not self._stopped.is_set():
            ready, _, _ = select.select(self._sockets, [], [], 0.02)
            for sock in ready:
                with suppress(OSError):
                    self._take(sock.recv(65535))
        for sock in self._sockets:
            sock.close()

    def _take(self, packet: bytes) -> None:
        connection = identify(packet)
        if connection is None or packet[16:20] not in self._addresses:
            return
        if connection in self._newest or len(self._newest) < _MOST:
            self._newest[connection] = packet


class Inlet:
    """A way for packets into this machine's own network stack, open while it is needed."""

    def __init__(self) -> None:
        self._tun = os.open("/dev/net/tun", os.O_RDWR)
        try:
            name = _DEVICE.encode()
            fcntl.ioctl(self._tun, _TUNSETIFF, struct.pack("16sH22x", name, _IFF_TUN | _IFF_NO_PI))
            with suppress(OSError), open(f"/proc/sys/net/ipv4/conf/{_DEVICE}/rp_filter", "w", encoding="ascii") as file:
                # clients are reached through another interface
                file.write("2")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                for request, address in ((_SIOCSIFADDR, _ADDRESS), (_SIOCSIFNETMASK, "255.255.255.255")):
                    value = struct.pack("16sHH4s16x", name, socket.AF_INET, 0, socket.inet_aton(address))
                    fcntl.ioctl(control, request, value)
                fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, _IFF_UP))
        except OSError:
            os.close(self._tun)
            raise

    def give(self, packets: Iterable[bytes]) -> int:
        """Let the packets arrive, and close the way; how many were taken."""
        given = 0
        for packet in packets:
            with suppress(OSError):
                os.write(self._tun, with_checksum(packet))
                given += 1
        os.close(self._tun)
        return given


def identify(packet: bytes) -> bytes | None:
    """What tells one TCP connection from another (addresses and ports), or None for anything else."""
    if len(packet) < 40 or packet[0] >> 4 != 4 or packet[9] != _TCP:
        return None
    header = (packet[0] & 15) * 4
    fragmented = struct.unpack_from("!H", packet, 6)[0] & 0x3FFF
    if header < 20 or fragmented or len(packet) < header + 20:
        return None
    return packet[12:20] + packet[header : header + 4]


def with_checksum(packet: bytes) -> bytes:
    """The packet without padding and with its TCP checksum: between virtual machines it is often left out."""
    header, length = (packet[0] & 15) * 4, int.from_bytes(packet[2:4], "big")
    segment = bytearray(packet[header:length])
    segment[16:18] = b"\0\0"
    pseudo = packet[12:20] + struct.pack("!BBH", 0, _TCP, len(segment))
    segment[16:18] = struct.pack("!H", _sum(pseudo + bytes(segment)))
    return packet[:header] + bytes(segment)


def _sum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _listen(mac: str) -> socket.socket:
    """Whatever comes in on the interface, before any fence."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_IP))
    sock.bind((nics.interface(mac), _ETH_P_IP))
    return sock
