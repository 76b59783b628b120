"""What the neighbours are told, and how an address moves to another interface without what it leaves behind."""

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from liveupdate.guest import adopted_nic, nics
from liveupdate.guest.errors import GuestError

MAC = "52:54:00:00:00:12"
MOVING = ipaddress.ip_interface("10.0.0.10/24")


class Wire:
    """A raw socket that keeps what is sent."""

    frames: list[bytes]

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def bind(self, address: tuple[str, int]) -> None:
        assert address == ("ens3", 0x0806)

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)


@pytest.fixture
def frames(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    Wire.frames = []
    monkeypatch.setattr(nics, "names", lambda: {MAC: "ens3"})
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setattr(socket, "socket", Wire)
    return Wire.frames


def test_an_address_is_announced_three_times_by_request_and_reply(frames: list[bytes]) -> None:
    nics.announce("10.0.0.10", MAC).join()
    assert len(frames) == 6
    hardware, address = bytes.fromhex(MAC.replace(":", "")), socket.inet_aton("10.0.0.10")
    for number, frame in enumerate(frames):
        assert frame[:14] == b"\xff" * 6 + hardware + b"\x08\x06"
        kind, protocol, _, _, operation, sender, source, _, target = struct.unpack("!HHBBH6s4s6s4s", frame[14:])
        assert (kind, protocol, operation) == (1, 0x0800, 1 + number % 2)
        assert (sender, source, target) == (hardware, address, address)


def test_the_first_announcement_is_out_before_the_call_returns(
    frames: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[Callable[[], None]] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: held.append(thread.run))
    nics.announce("10.0.0.10", MAC)
    assert len(frames) == 2


def test_an_address_of_ipv6_is_not_announced_by_arp(frames: list[bytes]) -> None:
    nics.announce("fd00::10", MAC).join()
    assert frames == []


def test_a_mac_that_nobody_has_is_told(frames: list[bytes]) -> None:
    with pytest.raises(GuestError) as caught:
        nics.interface("52:54:00:00:00:99")
    assert caught.value.code == "guest.no-interface"


def test_what_the_old_interface_keeps_goes_on_leaving_by_it() -> None:
    """Its switch port would drop it anywhere else."""
    lines = adopted_nic.stay("ens3", ["10.0.0.10", "10.0.0.12", "fe80::1"], MOVING, "10.0.0.1")
    assert "route replace 10.0.0.0/24 dev ens3 table 7022" in lines
    assert "route replace default via 10.0.0.1 dev ens3 table 7022" in lines
    rules = [line for line in lines if line.startswith("rule")]
    assert rules == [f"rule {verb} from 10.0.0.12 table 7022 priority 7022" for verb in ("del", "add")]


def test_an_interface_that_keeps_nothing_needs_no_rules() -> None:
    assert adopted_nic.stay("ens3", ["10.0.0.10", "fe80::1"], MOVING, "10.0.0.1") == []


def test_routes_through_a_gateway_move_as_they_are() -> None:
    shown = {"dst": "10.9.0.0/16", "gateway": "10.0.0.7", "dev": "ens3", "metric": 100, "flags": ["onlink"]}
    assert adopted_nic.moved(shown, "ens8") == "route replace 10.9.0.0/16 via 10.0.0.7 dev ens8 metric 100 onlink"
    plain = {"dst": "default", "gateway": "10.0.0.1", "dev": "ens3", "flags": []}
    assert adopted_nic.moved(plain, "ens8") == "route replace default via 10.0.0.1 dev ens8"
