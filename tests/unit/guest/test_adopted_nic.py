"""An address moves to an interface only if the network is really behind it."""

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator

import pytest

from liveupdate.guest import adopted_nic, arp, nics
from liveupdate.guest.errors import GuestError
from liveupdate.guest.external import Output

OWN, GATEWAY = "10.99.7.2", "10.99.7.1"
OLD, NEW = "02:00:00:00:00:01", "02:00:00:00:00:02"
NAMES = {OLD: "ens3", NEW: "ens8"}


class Machine:
    """Two interfaces; ``deaf`` are those on which the gateway does not answer."""

    def __init__(self, patch: pytest.MonkeyPatch, deaf: set[str]) -> None:
        self.owner = "ens3"
        self.changes: list[str] = []
        patch.setattr(nics, "names", lambda: NAMES)
        patch.setattr(nics, "add", lambda address, prefix, mac: setattr(self, "owner", NAMES[mac]))
        patch.setattr(nics, "announce", lambda address, mac: threading.Thread(target=int))
        patch.setattr(adopted_nic, "_answer_for_own", lambda name: None)
        patch.setattr(adopted_nic, "_wait_carrier", lambda name, end: None)
        patch.setattr(adopted_nic, "run", self._run)
        patch.setattr(arp, "answers", lambda name, *_: name not in deaf)
        patch.setattr(threading.Thread, "join", lambda *_: None)

    def _run(self, argv: list[str], stdin: bytes = b"", **_: object) -> Output:
        self.changes += stdin.decode().splitlines()
        links = [{"ifname": n, "addr_info": [{"local": OWN}] if n == self.owner else []} for n in NAMES.values()]
        shown = json.dumps(links) if argv[:3] == ["ip", "-json", "address"] else "[]"
        return Output(0, shown, 0.0)


def adopt() -> dict[str, object]:
    return adopted_nic.adopt_nic(NEW, OWN, 24, GATEWAY)


def test_the_address_moves_to_an_interface_that_hears_the_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, deaf=set())
    assert adopt() == {"interface": "ens8", "from": ["ens3"]}
    assert machine.owner == "ens8"
    assert machine.changes[-1] == f"address del {OWN}/24 dev ens3"


def test_it_goes_back_from_an_interface_that_is_deaf(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, deaf={"ens8"})
    with pytest.raises(GuestError) as caught:
        adopt()
    assert caught.value.code == "guest.deaf-interface"
    assert machine.owner == "ens3"
    assert machine.changes[-3:] == [
        f"route replace default via {GATEWAY} dev ens3",
        f"route replace 10.99.7.0/24 dev ens3 src {OWN}",
        f"address del {OWN}/24 dev ens8",
    ]


def test_a_gateway_that_answers_nowhere_tells_nothing_about_an_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(monkeypatch, deaf={"ens3", "ens8"})
    assert adopt()["interface"] == machine.owner == "ens8"


# -- the question itself, on a real wire -------------------------------------------------------------------------------


@pytest.fixture
def wire() -> Iterator[tuple[str, str]]:
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("a network interface needs root and iproute2")
    here, there = "lu-arp-a", "lu-arp-b"
    subprocess.run(["ip", "link", "add", here, "type", "veth", "peer", "name", there], check=True)
    for name in (here, there):
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
    yield here, there
    subprocess.run(["ip", "link", "delete", here], check=True)


def test_a_neighbour_on_the_wire_is_heard(wire: tuple[str, str]) -> None:
    here, there = wire
    asked: list[bytes] = []

    def answer() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as line:
            line.bind((there, 0x0806))
            line.settimeout(20)
            while True:
                frame = line.recv(128)
                if frame[38:42] == socket.inet_aton(GATEWAY):
                    break
            asked.append(frame)
            own = bytes.fromhex(NEW.replace(":", ""))
            reply = frame[6:12] + own + frame[12:20] + b"\0\2" + own + frame[38:42] + frame[22:32]
            line.send(reply)

    neighbour = threading.Thread(target=answer)
    neighbour.start()
    assert arp.answers(here, OLD, OWN, GATEWAY, patience=20)
    neighbour.join()
    assert asked[0][28:32] == socket.inet_aton(OWN), "who asks"


def test_silence_is_heard_as_silence(wire: tuple[str, str]) -> None:
    assert not arp.answers(wire[0], OLD, OWN, GATEWAY, patience=0.2)
