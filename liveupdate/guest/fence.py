"""Silence on the service addresses: nothing in, nothing out, no ARP, but through the loopback.

The address stays where it is, so the guest's network manager has nothing to repair, and lifting the fence is one call.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from .external import run

_RULES = """
table inet liveupdate
delete table inet liveupdate
table inet liveupdate {
  set four { type ipv4_addr; }
  set six { type ipv6_addr; }
  chain input {
    type filter hook input priority -300;
    iif != "lo" ip daddr @four drop; iif != "lo" ip6 daddr @six drop;
  }
  chain output {
    type filter hook output priority -300;
    oif != "lo" ip saddr @four drop; oif != "lo" ip6 saddr @six drop;
  }
}
table arp liveupdate
delete table arp liveupdate
table arp liveupdate {
  set four { type ipv4_addr; }
  chain input { type filter hook input priority -300; arp daddr ip @four drop; }
  chain output { type filter hook output priority -300; arp saddr ip @four drop; }
}
"""


def build(addresses: Sequence[str] = ()) -> None:
    """Load the rules, with a fence around ``addresses`` (none yet: only ready to be raised). Replaces an older one."""
    run(["nft", "-f", "-"], stdin=(_RULES + _elements(addresses)).encode(), code="guest.fence-failed")


def close(addresses: Sequence[str]) -> None:
    """Raise the fence: from here the addresses are silent."""
    run(["nft", "-f", "-"], stdin=_elements(addresses).encode(), code="guest.fence-failed")


def lift() -> None:
    """Take the fence away. Idempotent."""
    rules = "".join(f"table {kind} liveupdate\ndelete table {kind} liveupdate\n" for kind in ("inet", "arp"))
    run(["nft", "-f", "-"], stdin=rules.encode(), code="guest.fence-failed")


def clear_criu() -> None:
    """Delete the tables that CRIU leaves when dumped connections do not come back to this machine."""
    for line in run(["nft", "list", "tables"], check=False).text.splitlines():
        words = line.split()
        if len(words) == 3 and words[2].startswith("CRIU-"):
            run(["nft", "delete", *words], check=False)


def _elements(addresses: Sequence[str]) -> str:
    lines = []
    for address in addresses:
        if ipaddress.ip_address(address).version == 4:
            lines += [f"add element {kind} liveupdate four {{ {address} }}\n" for kind in ("inet", "arp")]
        else:
            lines.append(f"add element inet liveupdate six {{ {address} }}\n")
    return "".join(lines)
