"""Whatever a URL says, nothing inside is reached through it."""

import socket
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from liveupdate.messaging import addresses
from liveupdate.messaging.addresses import NotAllowed


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104
        "169.254.169.254",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:0001::1",
        "2002:a9fe:a9fe::1",
    ],
)
def test_not_allowed(address: str) -> None:
    assert not addresses.allowed(ip_address(address), ())


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public(address: str) -> None:
    assert addresses.allowed(ip_address(address), ())


def test_what_the_operator_has_allowed() -> None:
    networks = (ip_network("10.1.0.0/16"),)
    assert addresses.allowed(ip_address("10.1.2.3"), networks)
    assert addresses.allowed(ip_address("::ffff:10.1.2.3"), networks)
    assert not addresses.allowed(ip_address("10.2.0.1"), networks)


def test_a_name_with_one_address_inside_is_refused_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(*_: Any, **__: Any) -> Any:
        return [(2, 1, 6, "", (a, 443)) for a in ("8.8.8.8", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with pytest.raises(NotAllowed) as refused:
        addresses.resolve("both.example", 443, ())
    assert "127" not in str(refused.value)
