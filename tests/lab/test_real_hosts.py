"""What belongs to a real host ends with it, and what it needs it finds without a mark on the machine."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import ceph, namespaces
from lab.namespaces import Host
from tests.waiting import PATIENCE

#: A number no host of the lab has.
STRANGER = Host(99)
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 1; done"

needs_namespaces = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="network namespaces need root and iproute2"
)


@pytest.fixture
def remains() -> Iterator[Host]:
    """A host as an unclean death leaves it: its network namespace and a link, and nobody who remembers them."""
    subprocess.run(["ip", "netns", "add", STRANGER.network], check=True)
    subprocess.run(["ip", "link", "add", "lab99m", "type", "veth", "peer", "name", "lab99x"], check=True)
    yield STRANGER
    namespaces.down(STRANGER)


@needs_namespaces
def test_down_ends_what_nobody_remembers_even_if_it_ignores_sigterm(remains: Host) -> None:
    command = ["ip", "netns", "exec", remains.network, "sh", "-c", STUBBORN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as guest:
        assert guest.stdout
        assert guest.stdout.readline() == "ready\n"
        namespaces.down(remains)
        assert guest.wait(PATIENCE) == -signal.SIGKILL


@needs_namespaces
def test_down_leaves_neither_namespace_nor_link_and_may_be_repeated(remains: Host) -> None:
    namespaces.down(remains)
    namespaces.down(remains)
    assert not Path("/run/netns", remains.network).exists()
    assert not Path("/sys/class/net/lab99m").exists()


def test_libvirts_account_is_added_to_the_machines() -> None:
    machine = "root:x:0:0::/root:/bin/sh\n"
    inside = namespaces._with_account(machine, namespaces.ACCOUNTS["passwd"])
    assert inside.startswith(machine)
    assert [line.split(":")[0] for line in inside.splitlines()] == ["root", "libvirt-qemu"]


def test_an_account_the_machine_has_stays_as_it_is() -> None:
    machine = "root:x:0:0::/root:/bin/sh\nlibvirt-qemu:x:1:1::/:/bin/false\n"
    assert namespaces._with_account(machine, namespaces.ACCOUNTS["passwd"]) == machine


def test_a_ceph_daemon_is_asked_on_its_own_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceph, "HOME", tmp_path)
    assert ceph._state("osd.0") is None, "nobody listens yet"
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(tmp_path / "osd.0.asok"))
        daemon.listen()
        answered = threading.Thread(target=_answer, args=(daemon, {"state": "active"}))
        answered.start()
        assert ceph._state("osd.0") == "active"
        answered.join()


def _answer(daemon: socket.socket, status: dict[str, str]) -> None:
    connection, _ = daemon.accept()
    with connection:
        assert json.loads(connection.recv(1000).rstrip(b"\0")) == {"prefix": "status"}
        text = json.dumps(status).encode()
        connection.sendall(struct.pack(">I", len(text)) + text)
