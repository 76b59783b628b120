"""Whatever a user writes into a URL, a path or a name: it leads nowhere else, and is nobody's option or order."""

import ipaddress
import posixpath
import socket
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from liveupdate.api.schemas import images, jobs, surrogate
from liveupdate.api.schemas.host_groups import HostName
from liveupdate.errors import Invalid
from liveupdate.messaging import posting, webhooks
from liveupdate.planning import units
from liveupdate.settings import Webhooks as Settings

TEXTS = (
    st.text(st.characters(), max_size=40)
    | st.text("ab-./\\\n\0 ;$`'\"@:%", max_size=20)
    | st.sampled_from(
        ["..", "../../etc/passwd", "/etc/../etc", "-rf", "--root=/", "a\nb", "a;b", "$(id)", "//etc", "."]
    )
)
#: Spellings of addresses: all that inet_aton takes, and IPv6.
NUMBERS = st.sampled_from([0x7F000001, 0xA9FEA9FE, 0x0A000001, 0xC0A80001, 0, 0x08080808, 0x64400001])
INSIDE = NUMBERS.flatmap(
    lambda n: st.sampled_from(
        [
            str(ipaddress.IPv4Address(n)),
            str(n),
            hex(n),
            oct(n).replace("o", ""),
            f"{n >> 24}.{n & 0xFFFFFF}",
            f"0x{n >> 24:x}.0x{(n >> 16) & 255:x}.{n & 0xFFFF}",
            f"[::ffff:{ipaddress.IPv4Address(n)}]",
            f"[::{ipaddress.IPv4Address(n)}]",
            f"[64:ff9b::{n >> 16:x}:{n & 0xFFFF:x}]",
            f"[2002:{n >> 16:x}:{n & 0xFFFF:x}::1]",
        ]
    )
)
HOSTS = INSIDE | st.sampled_from(
    ["[::1]", "[fe80::1%25eth0]", "localhost", "hooks.example", "HOOKS.example.", "a@b", ""]
)
URLS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "HTTPS://", "file://", "gopher://", "//", "https:/", "https://x@", ""]),
    HOSTS,
    st.sampled_from(["", ":443", ":22", ":0", ":99999", ":-1", ":٤", "\\@8.8.8.8", "#@8.8.8.8"]),
    st.sampled_from(["", "/", "/in?x=1", "/\r\nHost: x", "/%0d%0aX: y", "/..;/", "\t", "?@inside"]),
    st.sampled_from(["", "\n", " ", "\0"]),
)
ANSWERS = st.lists(st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address) | st.ip_addresses(), min_size=1, max_size=3)


def outside(address: str) -> bool:
    """By another opinion than the one under test."""
    told = ipaddress.ip_address(address)
    return told.is_global and not (told.is_loopback or told.is_link_local or told.is_private or told.is_multicast)


@settings(deadline=None, max_examples=400)
@given(URLS | TEXTS, ANSWERS)
@example("https://0x7f.1/", [ipaddress.ip_address("8.8.8.8")])
@example("https://hooks.example/", [ipaddress.ip_address("169.254.169.254")])
@example("https://hooks.example/", [ipaddress.ip_address("8.8.8.8"), ipaddress.ip_address("127.0.0.1")])
def test_no_webhook_leads_inside(url: str, answers: list[Any]) -> None:
    config = Settings(key_file="there")
    try:
        [accepted] = webhooks.accept([url], config)
    except Invalid as refused:
        assert len(url) < 12 or url not in refused.detail  # noqa: PT017 some are accepted
        return
    connected: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, port: int, **options: Any) -> Any:
        try:
            # what the system takes for a number never reaches a name server
            return real(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        except OSError:
            return [(0, 0, 0, "", (str(answer), port)) for answer in answers]

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        connected.append(address[0])
        raise ConnectionRefusedError

    with patch.object(socket, "getaddrinfo", resolve), patch.object(socket, "create_connection", connect):
        try:
            posting.post(accepted, {}, b"", 1.0, config.allowed_networks)
        except posting.Refused:
            pass
        else:
            raise AssertionError("there was nobody to answer")
    assert all(outside(address) for address in connected), (url, connected)


NAMES = {
    "unit": surrogate.UnitName,
    "kernel": surrogate.Kernel,
    "package": surrogate.Package,
    "host group": surrogate.HostGroupName,
    "host": HostName,
    "server": images.ServerName,
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_no_option_no_order_and_no_path(kind: str) -> None:
    @settings(deadline=None)
    @given(TEXTS | TEXTS.map(lambda text: f"{text}.service") | TEXTS.map(lambda text: f"linux-image-{text}"))
    @example("--now.service")
    @example("kv.service\n")
    @example("linux-image-6;reboot")
    @example("linux-image-../../x")
    def check(text: str) -> None:
        try:
            name = str(TypeAdapter(NAMES[kind]).validate_python(text))
        except ValidationError:
            return
        assert name == text
        assert not name.startswith("-") or kind == "host"
        assert not set(name) & set("/\\ \n\0;$`'\"|&<>*?(){}")

    check()


@pytest.mark.parametrize("kind", [surrogate.ImageName, images.Words, surrogate.VolumeTypeName])
def test_words_for_people_hold_no_orders_for_terminals(kind: Any) -> None:
    @settings(deadline=None)
    @given(TEXTS)
    @example("\x1b[2J")
    @example("a\x9b2J")
    def check(text: str) -> None:
        try:
            words = str(TypeAdapter(kind).validate_python(text))
        except ValidationError:
            return
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in words)

    check()


@settings(deadline=None)
@given(TEXTS | TEXTS.map(lambda text: f"/{text}"))
@example("/srv\n/etc")
@example("//etc")
@example("/srv/..")
def test_a_path_leads_down_from_the_root_and_is_one_line(text: str) -> None:
    try:
        path = str(TypeAdapter(surrogate.AbsolutePath).validate_python(text))
    except ValidationError:
        return
    assert path == text == posixpath.join("/", *[part for part in text.split("/") if part not in ("", ".", "..")])
    assert path.isprintable()


@settings(deadline=None)
@given(st.lists(TEXTS), TEXTS)
@example(["-x.service", "../x.service", "a\n.service"], "-x, ../y, kv")
def test_units_that_a_guest_or_metadata_names_are_names(running: list[str], metadata: str) -> None:
    for name in units.candidates({"units": [{"name": name} for name in running]}, (), metadata):
        assert not name.startswith("-")
        assert not set(name) & set("/ \n\0")


@settings(deadline=None)
@given(TEXTS)
def test_an_id_is_a_uuid_before_it_is_part_of_a_url(text: str) -> None:
    body = {"method": "surrogate", "server_id": text}
    try:
        told = jobs.NewJob.model_validate(body)
    except ValidationError:
        return
    assert str(told.server_id) == str(UUID(text))


def test_a_webhooks_key_that_others_could_write_is_none(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64)
    key.chmod(0o602)
    with pytest.raises(Exception, match="open to everybody"):
        webhooks.project_key(Settings(key_file=str(key)), "p")
