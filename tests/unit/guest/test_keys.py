"""The link's keys: made for one job, in memory's file system, for one command, and gone with the job."""

import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.guest import daemon, keys, places
from liveupdate.guest.errors import GuestError
from tests.waiting import PATIENCE

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")
_FILES = ("KEY", "KNOWN_HOSTS", "SSHD_CONFIG", "AUTHORIZED_KEYS", "JOURNAL", "MOVE", "EXPECTING", "AWAY", "PLACED")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "liveupdate"
    monkeypatch.setattr(places, "ROOT", str(made))
    for name in _FILES:
        monkeypatch.setattr(places, name, str(made / name.lower()))
    return made


def test_where_keys_lie_nothing_outlives_a_boot() -> None:
    assert places.KEY.startswith("/run/")
    assert places.AUTHORIZED_KEYS.startswith("/run/")


def test_a_key_is_for_root_alone_and_another_for_each_job(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = keys.keygen()["public_key"]
    assert keys.keygen()["public_key"] == public
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert stat.S_IMODE(os.stat(places.KEY).st_mode) == 0o600
    monkeypatch.setattr(keys, "run", lambda *_, **__: None)
    daemon.Daemon().finish()
    assert [path for path in root.iterdir() if path.name != "journal"] == []


@pytest.mark.parametrize(
    "key",
    ["", "ssh-rsa AAAA", "ssh-ed25519 AAAA\nssh-ed25519 BBBB", f"ssh-ed25519 {'A' * 68}\n", f"command=x {'A' * 68}"],
)
def test_only_one_key_is_let_in(root: Path, key: str) -> None:
    with pytest.raises(GuestError) as caught:
        keys.listen("127.0.0.1", key)
    assert caught.value.code == "guest.bad-key"
    with pytest.raises(GuestError):
        keys.session("127.0.0.1", 22, key, "127.0.0.1")


@pytest.mark.parametrize("address", ["-oProxyCommand=reboot", "host", "1.2.3.4\nHostKey /x", ""])
def test_an_address_is_an_address(root: Path, address: str) -> None:
    root.mkdir()
    key = f"ssh-ed25519 {'A' * 68}"
    for ask in (lambda: keys.listen(address, key), lambda: keys.session(address, 22, key, "127.0.0.1")):
        with pytest.raises(ValueError, match="does not appear to be"):
            ask()


@pytest.fixture
def listening(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The server of the link as the target has it, but for its unit; instead of the program something that answers."""
    assert SSHD, "openssh-server is missing"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "host")], check=True)
    agent = tmp_path / "agent.py"
    agent.write_text("import sys\nprint('the link:', *sys.argv[1:], flush=True)\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started: list[Any] = []

    def run(argv: list[str], **_: Any) -> SimpleNamespace:
        if argv[0] == "ssh-keygen":
            subprocess.run(argv, check=True)
        elif argv[0] == "systemd-run":
            # the test's folder lies where others may write
            options = [*argv[-4:], "-o", "StrictModes=no"]
            started.append(subprocess.Popen([SSHD or "", *options], stderr=subprocess.DEVNULL))
        return SimpleNamespace(ok=True)

    monkeypatch.setattr(keys, "run", run)
    monkeypatch.setattr(keys, "_HOST_KEY", str(tmp_path / "host"))
    monkeypatch.setattr(places, "AGENT", str(agent))
    monkeypatch.setattr(places, "PEER_PORT", port)
    root.mkdir()
    keys.listen("127.0.0.1", keys.keygen()["public_key"])
    yield port
    for process in started:
        process.terminate()
        process.wait()


def ssh(port: int, host_key: Path, *words: str) -> subprocess.CompletedProcess[str]:
    known = host_key.parent / "known"
    known.write_text(f"[127.0.0.1]:{port} {host_key.with_suffix('.pub').read_text()}")
    options = ["-F", "none", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={known}", "-p", str(port)]
    argv = ["ssh", *options, "-i", places.KEY, *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="the link's server lets root in, and nobody else")
def test_the_key_opens_the_link_and_nothing_else(listening: int, tmp_path: Path) -> None:
    host = tmp_path / "host"
    assert ssh(listening, host, "root@127.0.0.1", "id").stdout == "the link: peer\n"
    assert ssh(listening, host, "-tt", "root@127.0.0.1").stdout.strip() != "#"
    forward = ssh(listening, host, "-W", f"127.0.0.1:{listening}", "root@127.0.0.1")
    assert "SSH-2.0" not in forward.stdout
    assert ssh(listening, host, "nobody@127.0.0.1").returncode == 255


@pytest.mark.skipif(os.geteuid() != 0, reason="the link's server lets root in, and nobody else")
def test_a_target_with_another_host_key_is_not_spoken_to(listening: int, tmp_path: Path) -> None:
    told = f"ssh-ed25519 {'A' * 68}"
    session = keys.session("127.0.0.1", listening, told, "127.0.0.1")
    with session.process, session.incoming, session.outgoing:
        assert session.incoming.read() == b""
    assert session.process.wait(PATIENCE) == 255
