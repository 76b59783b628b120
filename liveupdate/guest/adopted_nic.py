"""An address moves to another interface of this machine, its connections with it.

Switches drop what leaves by an interface whose port does not own the address. So each interface answers for its own
only, and what other addresses the old interface has keep it as their way out until it is unplugged. An interface whose
port is not wired (yet) is deaf: the address goes back to the old one, and who asked may ask again.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from . import arp, nics
from .errors import GuestError
from .external import run

#: Seconds for the interface to appear and to have its link.
_PATIENCE = 60
#: Of the old interface's own routes, and of the rule that leads there; both are gone with the next boot.
_TABLE = 7022

if TYPE_CHECKING:
    _Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface


def adopt_nic(mac: str, address: str, prefix: int, gateway: str | None = None, mtu: int = 1500) -> dict[str, Any]:
    """Move an address to the interface that has just been attached with ``mac``: {"interface", "from"}.

    Idempotent. Raises GuestError(guest.no-interface); GuestError(guest.deaf-interface): the address is where it was.
    """
    end = time.monotonic() + _PATIENCE
    while mac not in nics.names() and time.monotonic() < end:
        time.sleep(0.1)
    name = nics.interface(mac)
    run(["ip", "link", "set", name, "mtu", str(int(mtu)), "up"])
    _wait_carrier(name, end)
    own = ipaddress.ip_interface(f"{address}/{int(prefix)}")
    links = _ip("address", "show")
    before = sorted(link["ifname"] for link in links if link["ifname"] != name and str(own.ip) in _addresses(link))
    macs = {each: mac for mac, each in nics.names().items()}
    heard = bool(before) and before[0] in macs and _gateway_answers(before[0], macs, own, gateway)
    _take(name, mac, own, [link for link in links if link["ifname"] in before], gateway)
    if heard and not _gateway_answers(name, macs, own, gateway):
        back = [link for link in _ip("address", "show") if link["ifname"] == name]
        _take(before[0], macs[before[0]], own, back, gateway)
        raise GuestError(
            "guest.deaf-interface",
            f"the gateway {gateway} answers on {before[0]}, but not on {name}, the interface that was attached",
            "see that the port is bound and the network agent of its host is up; the job tries again",
        )
    nics.announce(address, mac).join()
    return {"interface": name, "from": before}


def _take(name: str, mac: str, own: _Interface, old: list[dict[str, Any]], gateway: str | None) -> None:
    """The address to the interface ``name``, away from those where it was before, as ``ip`` shows them."""
    before = [link["ifname"] for link in old]
    for each in (name, *before):
        _answer_for_own(each)
    _batch(line for link in old for line in stay(link["ifname"], _addresses(link), own, gateway))
    # two interfaces with one address for a moment: what comes in on either is answered
    nics.add(str(own.ip), own.network.prefixlen, mac)
    nics.announce(str(own.ip), mac)
    _batch([
        *(moved(route, name) for route in _ip("route", "show") if route.get("dev") in before and "gateway" in route),
        *([f"route replace default via {ipaddress.ip_address(gateway)} dev {name}"] if gateway else []),
        f"route replace {own.network} dev {name} src {own.ip}",
        *(f"address del {own} dev {each}" for each in before),
    ])  # fmt: skip


def _gateway_answers(name: str, macs: dict[str, str], own: _Interface, gateway: str | None) -> bool:
    return bool(gateway) and own.version == 4 and arp.answers(name, macs[name], str(own.ip), str(gateway))


def stay(name: str, addresses: Iterable[str], moving: _Interface, gateway: str | None) -> list[str]:
    """For ``ip -batch``: what the interface's other ``addresses`` in the same network send goes on leaving by it."""
    others = [each for each in addresses if each != str(moving.ip) and ipaddress.ip_address(each) in moving.network]
    if not others:
        return []
    return [
        f"route replace {moving.network} dev {name} table {_TABLE}",
        *([f"route replace default via {ipaddress.ip_address(gateway)} dev {name} table {_TABLE}"] if gateway else []),
        # a rule that is there already would be there twice
        *(f"rule {verb} from {each} table {_TABLE} priority {_TABLE}" for each in others for verb in ("del", "add")),
    ]


def moved(route: dict[str, Any], name: str) -> str:
    """For ``ip -batch``: a route through a gateway, as ``ip -json`` shows it, by the interface ``name``."""
    metric = f" metric {int(route['metric'])}" if "metric" in route else ""
    onlink = " onlink" if "onlink" in route.get("flags", ()) else ""
    return f"route replace {route['dst']} via {route['gateway']} dev {name}{metric}{onlink}"


def _answer_for_own(name: str) -> None:
    for key, value in (("arp_ignore", "1"), ("arp_announce", "2"), ("promote_secondaries", "1")):
        nics.tune(name, key, value)


def _wait_carrier(name: str, end: float) -> None:
    while time.monotonic() < end:
        with suppress(OSError), open(f"/sys/class/net/{name}/carrier", encoding="ascii") as file:
            if file.read().strip() == "1":
                return
        time.sleep(0.05)


def _addresses(link: dict[str, Any]) -> list[str]:
    return [each["local"] for each in link.get("addr_info", []) if "local" in each]


def _ip(*words: str) -> list[dict[str, Any]]:
    return [entry for entry in json.loads(run(["ip", "-json", *words]).text or "[]") if entry]


def _batch(lines: Iterable[str]) -> None:
    # what is gone already cannot be deleted: not an error
    run(["ip", "-force", "-batch", "-"], stdin="".join(f"{line}\n" for line in lines).encode(), check=False)
