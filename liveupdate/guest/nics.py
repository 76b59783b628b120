"""Addresses on this machine's interfaces, found by their MAC, and what the neighbours are told of them."""

from __future__ import annotations

import ipaddress
import json
import os
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Any

from .errors import GuestError
from .external import run

_ARP = 0x0806


def names() -> dict[str, str]:
    """The machine's interfaces with hardware: MAC → name."""
    found = {}
    for name in sorted(os.listdir("/sys/class/net")):
        if os.path.exists(f"/sys/class/net/{name}/device"):
            with open(f"/sys/class/net/{name}/address", encoding="ascii") as file:
                found[file.read().strip()] = name
    return found


def interface(mac: str) -> str:
    """The interface with this MAC. Raises GuestError(guest.no-interface)."""
    name = names().get(mac)
    if name is None:
        raise GuestError("guest.no-interface", f"no interface has the MAC address {mac}")
    return name


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


def management_up(mac: str, address: str, prefix: int) -> dict[str, Any]:
    """A second address, by which the worker reaches this machine when the first is silent: {"interface"}."""
    name = interface(mac)
    with open(f"/proc/sys/net/ipv4/conf/{name}/promote_secondaries", "w", encoding="ascii") as file:
        # it must outlive an address of the same network that was there before it
        file.write("1")
    add(address, prefix, mac)
    announce(address, mac)
    time.sleep(0.1)
    return {"interface": name}


def management_down(mac: str, address: str, prefix: int) -> dict[str, Any]:
    remove(address, prefix, mac)
    return {}


def adopt_nic(mac: str, address: str, prefix: int, gateway: str | None = None, mtu: int = 1500) -> dict[str, Any]:
    """Move an address to the interface that has just been attached with ``mac``: {"interface", "from", "gap_ms"}.

    Waits up to 60 s for the interface. Idempotent. Raises GuestError(guest.no-interface).
    """
    end = time.monotonic() + 60
    while mac not in names() and time.monotonic() < end:
        time.sleep(0.1)
    name = interface(mac)
    run(["ip", "link", "set", name, "mtu", str(int(mtu)), "up"])
    _wait_carrier(name, end)
    before = sorted({each for each in _holders(address) if each != name})
    began = time.monotonic()
    # two interfaces with one address for a moment: what comes in on either is answered
    add(address, prefix, mac)
    announce(address, mac)
    if gateway:
        run(["ip", "route", "replace", "default", "via", str(ipaddress.ip_address(gateway)), "dev", name])
    for other in before:
        run(["ip", "address", "del", f"{address}/{int(prefix)}", "dev", other], check=False)
    network = str(ipaddress.ip_network(f"{address}/{int(prefix)}", strict=False))
    run(["ip", "route", "replace", network, "dev", name, "src", address, "metric", "0"], check=False)
    announce(address, mac)
    return {"interface": name, "from": before, "gap_ms": round((time.monotonic() - began) * 1000)}


def _wait_carrier(name: str, end: float) -> None:
    while time.monotonic() < end:
        with suppress(OSError), open(f"/sys/class/net/{name}/carrier", encoding="ascii") as file:
            if file.read().strip() == "1":
                return
        time.sleep(0.05)


def _holders(address: str) -> list[str]:
    """The interfaces that have this address."""
    shown = json.loads(run(["ip", "-json", "address", "show", "to", f"{address}"]).text or "[]")
    return [str(link["ifname"]) for link in shown if link.get("ifname")]


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
