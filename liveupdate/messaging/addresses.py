"""Which addresses a URL of somebody else's may lead to: what is public, and what the operator has allowed."""

import ipaddress
import socket
from collections.abc import Sequence

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Addresses in these lead to the IPv4 address in their last 32 bits.
_TRANSLATED = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


class NotAllowed(Exception):
    """The message names no address: it would tell a stranger about our network."""


def allowed(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    """Public, or in one of ``networks``. Loopback, link-local (and so the metadata service), private, shared, multicast
    and reserved addresses are not public, however they are written."""
    inner = _inner(address)
    return _within(inner, networks) or (inner.is_global and not inner.is_multicast and not inner.is_reserved)


def resolve(host: str, port: int, networks: Sequence[IPNetwork]) -> IPAddress:
    """The address to connect to. Raises NotAllowed if any that the name stands for is not, OSError if it has none."""
    found = {info[4][0] for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    addresses = sorted((ipaddress.ip_address(str(text).partition("%")[0]) for text in found), key=str)
    if not addresses or not all(allowed(address, networks) for address in addresses):
        raise NotAllowed("its address is not allowed")
    return addresses[0]


def within(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return _within(_inner(address), networks)


def _within(address: IPAddress, networks: Sequence[IPNetwork]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _inner(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 one is only another spelling of."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if inner := address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]:
        return inner
    compatible = int(address) >> 32 == 0 and int(address) > 1
    if compatible or any(address in network for network in _TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address
