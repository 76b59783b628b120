"""Addresses on this machine's interfaces, found by their MAC, and what the neighbours are told of them."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import threading
import time

from .errors import GuestError
from .external import run

_ARP = 0x0806


def interface(mac: str) -> str:
    """The interface with this MAC. Raises GuestError(guest.no-interface)."""
    for name in sorted(os.listdir("/sys/class/net")):
        try:
            with open(f"/sys/class/net/{name}/address", encoding="ascii") as file:
                if file.read().strip() == mac and not os.path.exists(f"/sys/class/net/{name}/master"):
                    return name
        except OSError:
            continue
    raise GuestError("guest.no-interface", f"no interface has the MAC address {mac}")


def add(address: str, prefix: int, mac: str) -> None:
    """Put the address on the interface; it may be there already."""
    name = interface(mac)
    done = run(["ip", "address", "add", f"{address}/{prefix}", "dev", name], check=False)
    if not done.ok and "File exists" not in done.text and "already assigned" not in done.text:
        raise GuestError("guest.address-failed", done.text[-300:])


def remove(address: str, prefix: int, mac: str) -> None:
    """Take the address away; it may be gone already."""
    done = run(["ip", "address", "del", f"{address}/{prefix}", "dev", interface(mac)], check=False)
    if not done.ok and "Cannot assign" not in done.text and "not found" not in done.text:
        raise GuestError("guest.address-failed", done.text[-300:])


def announce(address: str, mac: str, times: int = 3) -> None:
    """Tell the neighbours that the address is here: the first time at once, the others in the background."""
    name = interface(mac)
    _gratuitous(name, address, mac)
    threading.Thread(target=_again, args=(name, address, mac, times - 1), name="announce", daemon=True).start()


def _again(name: str, address: str, mac: str, times: int) -> None:
    for _ in range(times):
        time.sleep(0.3)
        _gratuitous(name, address, mac)


def _gratuitous(name: str, address: str, mac: str) -> None:
    """One ARP request and one ARP reply for our own address: some switches learn from the one, some from the other."""
    if ipaddress.ip_address(address).version != 4:
        return
    hardware, ip = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(address)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((name, _ARP))
        for operation, target in ((1, b"\0" * 6), (2, hardware)):
            body = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, hardware, ip, target, ip)
            sender.send(b"\xff" * 6 + hardware + struct.pack("!H", _ARP) + body)
