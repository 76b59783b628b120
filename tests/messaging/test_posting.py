"""One POST: to the address that was checked, in time, no redirects, nothing but the status read."""

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from liveupdate.messaging import posting
from liveupdate.messaging.posting import Refused
from tests.waiting import PATIENCE

LOCAL = (ip_network("127.0.0.0/8"),)


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """One connection on loopback: its port, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(PATIENCE)
                heard.append(connection.recv(65536))
                try:
                    answer(connection)
                except OSError:
                    heard.append(b"(went away)")

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1], heard
        # one that was never called still waits for its connection
        with socket.socket() as last:
            last.connect_ex(listening.getsockname())
        thread.join(PATIENCE)
        assert not thread.is_alive()


def says(text: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text)


def post(
    port: int, *, scheme: str = "http", host: str = "127.0.0.1", seconds: float = PATIENCE, networks: Any = LOCAL
) -> None:
    posting.post(f"{scheme}://{host}:{port}/in?a=b", {"X-One": "1"}, b'{"x": 1}', seconds, networks)


def test_it_is_taken() -> None:
    with server(says(b"HTTP/1.1 204 No Content\r\n\r\n")) as (port, heard):
        post(port)
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /in?a=b HTTP/1.1"
    assert {f"Host: 127.0.0.1:{port}".encode(), b"X-One: 1", b"Content-Length: 8"} <= set(head.split(b"\r\n"))
    assert body == b'{"x": 1}'


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 500 Oops\r\n\r\n", "answered 500"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "ValueError"),
        (b"HTTP/1.1 " + b"2" * 5000, "ValueError"),
        (b"", "ValueError"),
    ],
)
def test_it_is_refused(answer: bytes, why: str) -> None:
    with server(says(answer)) as (port, _), pytest.raises(Refused, match=why):
        post(port)


def test_a_body_without_end_is_not_read() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    begun = time.monotonic()
    with server(endless) as (port, heard):
        post(port)
    assert heard[-1] == b"(went away)"
    assert time.monotonic() - begun < PATIENCE / 2


def test_who_drips_gets_no_more_time() -> None:
    def drip(connection: socket.socket) -> None:
        for _ in range(300):
            connection.sendall(b"H")
            time.sleep(0.1)

    begun = time.monotonic()
    with server(drip) as (port, _), pytest.raises(Refused, match="Timeout"):
        post(port, seconds=1)
    assert time.monotonic() - begun < 20, "dripped to its end, it takes thirty"


def test_loopback_is_not_called_unless_allowed() -> None:
    with server(says(b"HTTP/1.1 200 OK\r\n\r\n")) as (port, heard):
        for networks in ((), (ip_network("10.0.0.0/8"),)):
            with pytest.raises(Refused, match="its address is not allowed"):
                post(port, networks=networks)
    assert heard == [b""]


def test_a_name_is_resolved_once_and_its_address_is_what_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the second answer would be another."""
    answers = iter(["127.0.0.1", "127.0.0.2"])
    real, asked = socket.getaddrinfo, []

    def rebind(host: str, port: int, *args: Any, **options: Any) -> Any:
        if host != "rebind.example":
            return real(host, port, *args, **options)
        asked.append(host)
        return real(next(answers), port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebind)
    with server(says(b"HTTP/1.1 200 OK\r\n\r\n")) as (port, heard):
        post(port, host="rebind.example")
    assert asked == ["rebind.example"]
    assert f"Host: rebind.example:{port}".encode() in heard[0]


def test_plain_http_only_where_the_operator_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    public = [(2, 1, 6, "", ("8.8.8.8", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: public)
    with pytest.raises(Refused, match="plain http"):
        post(80, host="public.example")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of hook.example, signed by itself."""
    path = tmp_path / "hook.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    argv += ["-keyout", str(path), "-out", f"{path}.crt", "-days", "2", "-subj", "/CN=hook.example"]
    subprocess.run([*argv, "-addext", "subjectAltName=DNS:hook.example"], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@pytest.mark.parametrize(("host", "taken"), [("hook.example", True), ("other.example", False)])
def test_the_certificate_must_be_the_names(
    host: str, taken: bool, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda h, *a, **o: real("127.0.0.1" if h.endswith(".example") else h, *a, **o)
    )
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            except OSError:
                pass

        thread = Thread(target=serve)
        thread.start()
        port = listening.getsockname()[1]
        if taken:
            post(port, scheme="https", host=host)
        else:
            with pytest.raises(Refused, match="SSLCertVerificationError"):
                post(port, scheme="https", host=host)
        thread.join(PATIENCE)
