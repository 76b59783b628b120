"""The guest driver against a real sshd on loopback, with keys of its own."""

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from paramiko.ssh_exception import SSHException

from liveupdate import waiting
from liveupdate.drivers.guest import credentials
from liveupdate.drivers.guest.connection import OUTPUT_LIMIT, Connection
from liveupdate.drivers.guest.guest import Guest
from liveupdate.errors import Cancelled, GuestError
from liveupdate.settings import Guest as GuestSettings
from tests.drivers.sshd import Sshd, keygen, running
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running(tmp_path_factory.mktemp("sshd")) as made:
        yield made


@pytest.fixture
def guest(sshd: Sshd) -> Iterator[Guest]:
    guest = Guest("127.0.0.1", sshd.host_key, sshd.settings, sshd.port)
    yield guest
    guest.close()


def refused(sshd: Sshd, host_key: str, settings: GuestSettings) -> str:
    with pytest.raises(GuestError) as caught:
        Connection("127.0.0.1", host_key, settings, sshd.port)
    return caught.value.code


def test_words_arrive_as_they_were_given(guest: Guest) -> None:
    words = ["a b", "$HOME", "`id`", "; reboot", "quo'te", 'dou"ble', "", "*", "ü\n"]
    done = guest.run(["printf", "%s\\0", *words])
    assert done.stdout.split("\0")[:-1] == words


def test_a_failing_command_tells_its_code_and_the_end_of_its_words(guest: Guest) -> None:
    with pytest.raises(GuestError, match="ended with 7: no luck") as caught:
        guest.run(["sh", "-c", "echo no luck >&2; exit 7"])
    assert caught.value.code == "live-update.guest.command-failed"
    assert guest.run(["sh", "-c", "exit 7"], check=False).code == 7


def test_a_full_disk_has_a_code_of_its_own(guest: Guest) -> None:
    with pytest.raises(GuestError) as caught:
        guest.run(["sh", "-c", "cat > /dev/full"], stdin=b"x")
    assert (caught.value.code, caught.value.remedy) == (
        "live-update.guest.disk-full",
        "make room there, then try again",
    )


def test_endless_output_is_bounded(guest: Guest) -> None:
    done = guest.run(["sh", "-c", "yes | head -c 30000000; echo end"])
    assert len(done.stdout) <= OUTPUT_LIMIT
    assert done.stdout.endswith("end\n")


def test_output_that_is_not_text_does_no_harm(guest: Guest) -> None:
    assert guest.run(["printf", "\\377\\000ok"]).stdout == "\ufffd\0ok"


def test_a_command_that_does_not_end_is_given_up(guest: Guest) -> None:
    with pytest.raises(GuestError) as caught:
        guest.run(["sleep", "60"], timeout=0.3)
    assert caught.value.code == "live-update.guest.command-timeout"
    assert guest.run(["echo", "on"]).stdout == "on\n"


def test_a_command_that_nobody_wants_any_more_is_not_waited_for(guest: Guest, monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted() -> None:
        raise Cancelled

    monkeypatch.setattr(waiting, "INTERVAL", 0.2)
    guest.run(["true"])
    began = time.monotonic()
    with waiting.asking(unwanted), pytest.raises(Cancelled):
        guest.run(["sleep", "60"])
    assert time.monotonic() - began < 30, "nobody interrupts it for a minute"
    assert guest.run(["echo", "well"]).stdout == "well\n", "the connection is as good as before"


def test_much_input_and_output_at_once(guest: Guest) -> None:
    data = os.urandom(3 << 20).hex().encode()[: 3 << 20]
    assert guest.run(["cat"], stdin=data).stdout == data.decode()


def test_a_file_is_put_with_its_rights(guest: Guest, tmp_path: Path) -> None:
    path = tmp_path / "with space"
    guest.put(str(path), b"secret\0", 0o600)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"secret\0", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_another_host_key_is_refused_before_anything_is_said(sshd: Sshd, tmp_path: Path) -> None:
    assert refused(sshd, keygen(tmp_path / "other"), sshd.settings) == "live-update.guest.host-key-mismatch"


@pytest.mark.parametrize("unknown", ["", "ssh-rsa AAAA", "ssh-ed25519 !!!"])
def test_without_a_known_host_key_nobody_connects(sshd: Sshd, unknown: str) -> None:
    assert refused(sshd, unknown, sshd.settings) == "live-update.guest.host-key-unknown"


def test_a_key_that_is_not_accepted_is_told(sshd: Sshd, tmp_path: Path) -> None:
    keygen(tmp_path / "stranger")
    settings = GuestSettings(sshd.settings.user, str(tmp_path / "stranger"), 5.0)
    assert refused(sshd, sshd.host_key, settings) == "live-update.guest.login-refused"


def test_a_missing_key_file_is_told_without_its_content(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
    settings = GuestSettings("root", str(tmp_path / "broken"), 5.0)
    with pytest.raises(GuestError) as caught:
        Connection("127.0.0.1", sshd.host_key, settings, sshd.port)
    assert caught.value.code == "live-update.guest.no-key"
    assert "secret" not in str(caught.value)


def test_a_guest_that_dies_while_connected_is_noticed_in_the_time_it_has_to_connect(guest: Guest, sshd: Sshd) -> None:
    guest.run(["true"])
    assert guest._connection is not None
    sock = guest._connection._transport.sock
    assert isinstance(sock, socket.socket)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1000 * sshd.settings.connect_timeout


def test_nobody_there_is_unreachable(sshd: Sshd) -> None:
    guest = Guest("127.0.0.1", sshd.host_key, sshd.settings, 1)
    assert not guest.reachable()
    with pytest.raises(GuestError) as caught:
        guest.run(["true"])
    assert caught.value.code == "live-update.guest.unreachable"


def test_a_broken_connection_is_made_again(guest: Guest) -> None:
    assert guest.reachable()
    guest.run(["sh", "-c", "kill -9 $PPID"], check=False) if os.geteuid() else guest.close()
    assert guest.reachable()


class TestAuthority:
    """Keys of one connection, certified by an authority that the guest trusts."""

    @pytest.fixture
    def trusting(self, tmp_path: Path) -> Iterator[Sshd]:
        keygen(tmp_path / "authority")
        more = f"TrustedUserCAKeys {tmp_path}/authority.pub\nAuthorizedKeysFile none\n"
        with running(tmp_path, more) as made:
            yield replace(made, settings=replace(made.settings, authority_file=str(tmp_path / "authority")))

    def test_the_worker_is_let_in_by_its_authority_alone(self, trusting: Sshd) -> None:
        guest = Guest("127.0.0.1", trusting.host_key, trusting.settings, trusting.port)
        assert guest.run(["echo", "in"]).stdout == "in\n"
        guest.close()
        bare = replace(trusting, settings=replace(trusting.settings, authority_file=""))
        assert refused(bare, bare.host_key, bare.settings) == "live-update.guest.login-refused"

    def test_no_two_connections_have_the_same_key(self, trusting: Sshd) -> None:
        first, second = (credentials.of_worker(trusting.settings) for _ in range(2))
        assert first.asbytes() != second.asbytes()

    def test_another_authority_is_not_trusted(self, trusting: Sshd, tmp_path: Path) -> None:
        keygen(tmp_path / "stranger")
        settings = replace(trusting.settings, authority_file=str(tmp_path / "stranger"))
        assert refused(trusting, trusting.host_key, settings) == "live-update.guest.login-refused"

    @pytest.mark.parametrize("ago", [-10_000, 10_000], ids=["not yet", "no more"])
    def test_a_certificate_is_of_now(self, trusting: Sshd, ago: int, monkeypatch: pytest.MonkeyPatch) -> None:
        then = time.time() - ago
        monkeypatch.setattr(credentials, "time", SimpleNamespace(time=lambda: then))
        assert refused(trusting, trusting.host_key, trusting.settings) == "live-update.guest.login-refused"

    def test_it_allows_no_forwarding_and_no_terminal(self, trusting: Sshd) -> None:
        made = Connection("127.0.0.1", trusting.host_key, trusting.settings, trusting.port)
        try:
            channel = made._transport.open_session(timeout=PATIENCE)
            with pytest.raises(SSHException):
                channel.get_pty()
            with pytest.raises(SSHException):
                made._transport.open_channel(
                    "direct-tcpip", ("127.0.0.1", trusting.port), ("127.0.0.1", 1), timeout=PATIENCE
                )
        finally:
            made.close()

    def test_an_authority_that_is_none_is_told_without_its_content(self, sshd: Sshd, tmp_path: Path) -> None:
        (tmp_path / "broken").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nsecret\n")
        with pytest.raises(GuestError) as caught:
            credentials.of_worker(replace(sshd.settings, authority_file=str(tmp_path / "broken")))
        assert caught.value.code == "live-update.guest.no-key"
        assert "secret" not in str(caught.value)
