"""A guest whose root is not our friend: it costs the worker a bounded time and memory, and gets an error of ours."""

import resource
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from liveupdate.drivers.guest import connection
from liveupdate.drivers.guest.agent import Agent
from liveupdate.drivers.guest.connection import Connection
from liveupdate.drivers.guest.guest import Guest
from liveupdate.drivers.guest.tasks import Task
from liveupdate.errors import GuestError
from liveupdate.settings import Guest as GuestSettings
from tests.drivers import hostile
from tests.drivers.sshd import Sshd, running

#: Seconds that each question may take.
PATIENCE = 1.0
#: MiB that no guest makes the worker take.
MEMORY = 200
LIES = ("escapes",)


class Hostile(Guest):
    """The worker's side of a guest that answers everything in the same mood; the program need not be uploaded."""

    def place_agent(self) -> None:
        """It would not be run."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("hostile")
    shutil.copy(hostile.__file__, made / "hostile.py")
    return made


@pytest.fixture(scope="module")
def sshd(folder: Path) -> Iterator[Sshd]:
    with running(folder, f"ForceCommand {sys.executable} {folder}/hostile.py\n") as made:
        yield made


@pytest.fixture
def guest(sshd: Sshd) -> Iterator[Guest]:
    guest = Hostile("127.0.0.1", sshd.host_key, sshd.settings, sshd.port)
    yield guest
    guest.close()


def refused(act: Callable[[], object]) -> GuestError:
    """What it ends with, in time, without much memory, and fit to be shown and kept."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with pytest.raises(GuestError) as caught:
        act()
    assert time.monotonic() - began < 40 + PATIENCE, "a mood lasts a minute"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEMORY << 10
    words = caught.value.detail + caught.value.remedy
    assert all(c.isprintable() or c in "\n\t" for c in words), words
    assert len(words) < 10_000
    words.encode()
    return caught.value


@pytest.mark.parametrize("mood", [mood for mood in hostile.MOODS if mood not in LIES])
def test_no_answer_of_a_guest_hurts_the_worker(folder: Path, guest: Guest, mood: str) -> None:
    (folder / "mood").write_text(mood)
    error = refused(lambda: guest.oneshot("inspect", {}, timeout=PATIENCE))
    assert error.code == "guest.failed" or error.code.startswith("live-update.guest.")


@pytest.mark.parametrize("mood", hostile.MOODS)
def test_no_daemon_of_a_guest_hurts_the_worker(folder: Path, sshd: Sshd, mood: str) -> None:
    (folder / "mood").write_text(mood)
    guest = Connection("127.0.0.1", sshd.host_key, sshd.settings, sshd.port)
    agent = Agent(guest.start(["attach"]))
    try:
        error = refused(lambda: agent.call("status", timeout=PATIENCE))
        assert error.code == "live-update.guest.silent"
    finally:
        guest.close()


def test_what_a_guest_tells_is_plain_text(folder: Path, guest: Guest) -> None:
    (folder / "mood").write_text("escapes")
    seen = guest.oneshot("inspect", {}, timeout=60)
    assert seen["kernel"] == "6" + "\ufffd" * 3
    assert seen["units"][0]["name"] == "a ; reboot"


@pytest.mark.parametrize("mood", ["no text", "no JSON", "a forged code", "escapes", "huge JSON"])
def test_what_it_says_elsewhere_is_an_error_of_ours_or_of_its_form(folder: Path, guest: Guest, mood: str) -> None:
    (folder / "mood").write_text(mood)
    refused(guest.clock)
    words = Task(guest, "install").words()
    assert len(words) <= 1000
    assert "\x1b" not in words
    with pytest.raises(GuestError), guest.freeze(["/"], 1.0):
        raise AssertionError("it was not frozen")


def test_a_guest_that_says_nothing_cannot_hold_up_a_freeze(folder: Path, guest: Guest) -> None:
    (folder / "mood").write_text("nothing")
    # a second, after the ten that are added to the watchdog's
    with pytest.raises(GuestError), guest.freeze(["/"], -9.0):
        raise AssertionError("it was not frozen")


class NoAnswer(paramiko.ServerInterface):
    """Lets the worker in, and then leaves its request unanswered."""

    def __init__(self) -> None:
        self.over = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.over.wait(60)
        return True


def test_an_ssh_server_that_never_starts_a_command_is_not_waited_for(folder: Path, sshd: Sshd) -> None:
    key = paramiko.Ed25519Key.from_private_key_file(str(folder / "host"))
    server = NoAnswer()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            transport = paramiko.Transport(listener.accept()[0])
            transport.add_server_key(key)
            transport.start_server(server=server)

        threading.Thread(target=serve, daemon=True).start()
        made = Connection("127.0.0.1", sshd.host_key, sshd.settings, listener.getsockname()[1])
        try:
            assert refused(lambda: made.start(["true"], timeout=PATIENCE)).code == "live-update.guest.unreachable"
        finally:
            server.over.set()
            made.close()


@pytest.mark.parametrize("banner", [b"SSH-2.0-" + b"x" * 1_000_000 + b"\r\n", b"HTTP/1.1 200 OK\r\n" * 10_000, b""])
def test_what_is_no_ssh_server_is_unreachable(sshd: Sshd, banner: bytes) -> None:
    settings = GuestSettings(sshd.settings.user, sshd.settings.private_key_file, PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as accepted, suppress(OSError):
                accepted.sendall(banner)
                while accepted.recv(1000):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        error = refused(lambda: Connection("127.0.0.1", sshd.host_key, settings, port))
        assert error.code == "live-update.guest.unreachable"
        thread.join(10)


def test_output_without_end_is_given_up_before_its_time(
    folder: Path, guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_ENDLESS", 1 << 20)
    (folder / "mood").write_text("endless output")
    assert refused(lambda: guest.run(["true"], timeout=600)).code == "live-update.guest.command-endless"
