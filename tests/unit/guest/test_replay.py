"""Clients' packets that are given to the target: only whole TCP packets, with a checksum, without padding."""

import socket
import struct

import pytest

from liveupdate.guest import replay

CLIENT, SERVER = "10.0.0.1", "10.0.0.10"


def packet(
    payload: bytes = b"hello", *, source: int = 40000, protocol: int = 6, offset: int = 0, options: bytes = b""
) -> bytes:
    """An IPv4 packet whose TCP checksum was left to hardware that is not there."""
    tcp = struct.pack("!HHIIBBHHH", source, 6379, 1, 2, 5 << 4, 0x18, 512, 0xDEAD, 0) + payload
    length = 20 + len(options) + len(tcp)
    first = 0x40 | (20 + len(options)) // 4
    addresses = socket.inet_aton(CLIENT) + socket.inet_aton(SERVER)
    return struct.pack("!BBHHHBBH", first, 0, length, 7, offset, 64, protocol, 0) + addresses + options + tcp


def checksum_of(raw: bytes) -> int:
    """Over the pseudo header and the segment with its checksum: 0 when right (RFC 1071)."""
    header = (raw[0] & 15) * 4
    segment = raw[header:]
    data = raw[12:20] + struct.pack("!BBH", 0, 6, len(segment)) + segment
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def test_connections_are_told_apart_by_addresses_and_ports() -> None:
    assert replay.identify(packet()) == replay.identify(packet(b"later"))
    assert replay.identify(packet()) != replay.identify(packet(source=40001))


@pytest.mark.parametrize("options", [b"", b"\x01" * 8])
def test_options_of_ip_are_passed_over(options: bytes) -> None:
    assert replay.identify(packet(options=options)) == replay.identify(packet())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        packet(protocol=17),
        packet()[:39],
        b"\x60" + packet()[1:],
        packet(offset=0x2000),
        packet(offset=185),
        b"\x41" + packet()[1:],
        b"\x4f" + packet()[1:50],
    ],
    ids=["nothing", "udp", "short", "ipv6", "first fragment", "later fragment", "header too short", "no room"],
)
def test_anything_but_a_whole_tcp_packet_is_left_alone(raw: bytes) -> None:
    assert replay.identify(raw) is None


def test_not_to_be_fragmented_is_no_fragment() -> None:
    assert replay.identify(packet(offset=0x4000)) is not None


@pytest.mark.parametrize("payload", [b"", b"odd", b"even", bytes(range(256)) * 5, b"\xff" * 1460])
def test_the_checksum_is_right_whatever_the_content(payload: bytes) -> None:
    assert checksum_of(replay.with_checksum(packet(payload))) == 0


def test_padding_of_the_wire_is_no_part_of_the_packet() -> None:
    assert replay.with_checksum(packet(b"x") + b"\0" * 5) == replay.with_checksum(packet(b"x"))
