"""Addresses on this machine's interfaces, found by their MAC, and what the neighbours are told of them."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import threading
import time
from typing import Any

from . import arp
from .errors import GuestError
from .external import ENVIRONMENT, run


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


def tune(name: str, key: str, value: str) -> None:
    """Set one of the kernel's settings of the interface for IPv4, until the next boot."""
    with open(f"/proc/sys/net/ipv4/conf/{name}/{key}", "w", encoding="ascii") as file:
        file.write(value)


def management_up(mac: str, address: str, prefix: int) -> dict[str, Any]:
    """A second address, by which the worker reaches this machine when the first is silent: {"interface"}."""
    name = interface(mac)
    # it must outlive an address of the same network that was there before it
    tune(name, "promote_secondaries", "1")
    add(address, prefix, mac)
    announce(address, mac).join()
    return {"interface": name}


def management_down(mac: str, address: str, prefix: int) -> dict[str, Any]:
    """Take the second address away, a moment after the answer: who asks may have come by it."""
    target = f"{ipaddress.ip_address(address)}/{int(prefix)}"
    script = 'sleep 0.5; exec ip address del "$1" dev "$2"'
    subprocess.Popen(
        ["/bin/sh", "-c", script, "sh", target, interface(mac)],
        env=ENVIRONMENT,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return {}


def announce(address: str, mac: str, times: int = 3) -> threading.Thread:
    """Tell the neighbours that the address is here: the first time at once, the others by the thread returned."""
    name = interface(mac)
    _gratuitous(name, address, mac)
    again = threading.Thread(target=_again, args=(name, address, mac, times - 1), name="announce", daemon=True)
    again.start()
    return again


def _again(name: str, address: str, mac: str, times: int) -> None:
    for _ in range(times):
        time.sleep(0.3)
        _gratuitous(name, address, mac)


def _gratuitous(name: str, address: str, mac: str) -> None:
    """One ARP request and one ARP reply for our own address: some switches learn from the one, some from the other."""
    if ipaddress.ip_address(address).version != 4:
        return
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((name, arp.ETHERTYPE))
        sender.send(arp.frame(arp.REQUEST, mac, address, address))
        sender.send(arp.frame(arp.REPLY, mac, address, address, target=bytes.fromhex(mac.replace(":", ""))))
