"""A copy logs in by a name of its own, and the secret is in one file only."""

import os
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from liveupdate.guest import guard, initiator, multipath, places, units
from liveupdate.guest.errors import GuestError
from liveupdate.guest.external import Output

ORIGINAL, COPY = "00000000-0000-4000-8000-000000000011", "00000000-0000-4000-8000-000000000012"
OLD = "iqn.1993-08.org.debian:01:abc"
TARGET, PORTAL = "iqn.2026-01.test:volume", "10.0.9.1:3260"
RECORD = """\
# BEGIN RECORD 2.1.8
node.name = iqn.2026-01.test:volume
node.startup = manual
node.session.initial_login_retry_max = 8
node.session.auth.authmethod = None
# END RECORD
"""
RETRIES = "node.session.initial_login_retry_max = {}\n"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that still has the original's name."""
    (tmp_path / "guard").mkdir()
    (tmp_path / "name").write_text(f"InitiatorName={OLD}\n")
    monkeypatch.setattr(places, "GUARD", str(tmp_path / "guard"))
    monkeypatch.setattr(initiator, "INITIATOR", str(tmp_path / "name"))
    monkeypatch.setattr(initiator, "initiator", lambda: read(str(tmp_path / "name")))
    monkeypatch.setattr(initiator, "_RECORDS", (str(tmp_path / "nodes"),))
    monkeypatch.setattr(guard, "uuid", lambda: COPY)
    monkeypatch.setattr(units, "reload", lambda: None)
    return tmp_path


def read(path: str) -> str:
    return Path(path).read_text().partition("=")[2].strip()


@pytest.fixture
def tools(machine: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that were run; a new node's record is written as iscsiadm does."""
    ran: list[list[str]] = []

    def run(argv: Any, **_: Any) -> Output:
        ran.append(list(argv))
        if argv[-2:] == ["-o", "new"]:
            record = machine / "nodes" / argv[4] / f"{argv[6].replace(':', ',')},1" / "default"
            record.parent.mkdir(parents=True)
            record.write_text(RECORD)
        return Output(0, "", 0.0)

    monkeypatch.setattr(initiator, "run", run)
    monkeypatch.setattr(initiator, "sessions", lambda: [])
    return ran


def test_the_name_is_the_servers_own_in_the_same_authority(machine: Path, tools: list[list[str]]) -> None:
    name = initiator.initiator_own(COPY)["initiator"]
    assert name == f"iqn.1993-08.org.debian:01:{COPY.replace('-', '')}"
    assert initiator._NAME.fullmatch(name)
    assert read(str(machine / "name")) == name
    assert os.stat(machine / "name").st_mode & 0o777 == 0o600
    assert (machine / "guard" / places.INITIATOR).exists(), "now iscsid may start"
    assert initiator.initiator_own(COPY) == {"initiator": name}
    assert initiator.own_name("", COPY).endswith(COPY.replace("-", ""))


def test_the_original_keeps_its_name(machine: Path, tools: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "uuid", lambda: ORIGINAL)
    with pytest.raises(GuestError) as caught:
        initiator.initiator_own(COPY)
    assert caught.value.code == "guest.not-a-copy"
    assert read(str(machine / "name")) == OLD
    assert not (machine / "guard" / places.INITIATOR).exists()


def test_the_secret_is_in_the_nodes_record_alone(machine: Path, tools: list[list[str]]) -> None:
    assert initiator._log_in(PORTAL, TARGET, "me", "very-secret") == ""
    assert not any("very-secret" in word for argv in tools for word in argv)
    [record] = [path for path in (machine / "nodes").rglob("*") if path.is_file()]
    assert "node.session.auth.password = very-secret\n" in record.read_text()
    assert "node.startup = automatic\n" in record.read_text()
    assert "manual" not in record.read_text()
    assert record.read_text().splitlines()[-1] == "# END RECORD"
    assert record.stat().st_mode & 0o777 == 0o600
    assert [argv[-1] for argv in tools] == ["delete", "new", "--login"]


def test_a_log_in_of_ours_is_tried_once_and_one_at_a_boot_until_the_network_is_there(
    machine: Path, tools: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    ran = vars(initiator)["run"]

    def run(argv: Any, **options: Any) -> Any:
        if argv[-1] == "--login":
            seen.extend(path.read_text() for path in (machine / "nodes").rglob("default"))
        return ran(argv, **options)

    monkeypatch.setattr(initiator, "run", run)
    initiator._log_in(PORTAL, TARGET, "me", "very-secret")
    assert RETRIES.format(1) in seen[0]
    [record] = (machine / "nodes").rglob("default")
    assert RETRIES.format(8) in record.read_text()
    assert record.stat().st_mode & 0o777 == 0o600


def test_who_is_logged_in_is_left_alone(tools: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"name": "session1", "target": TARGET, "portal": PORTAL, "state": "LOGGED_IN"}
    monkeypatch.setattr(initiator, "sessions", lambda: [there])
    assert initiator._log_in(PORTAL, TARGET, "me", "very-secret") == ""
    assert tools == []


@pytest.mark.parametrize(
    ("portal", "target", "user", "secret"),
    [
        ("10.0.9.1:3260; reboot", TARGET, "", ""),
        ("--help", TARGET, "", ""),
        (PORTAL, "iqn.2026-01.test:../../../etc", "", ""),
        (PORTAL, TARGET, "me", "two\nlines"),
        (PORTAL, TARGET, "", "x\ny"),
    ],
)
def test_what_is_not_well_formed_goes_nowhere(
    tools: list[list[str]], portal: str, target: str, user: str, secret: str
) -> None:
    volume = {"id": "v", "targets": [[portal, target, 1]], "user": user, "secret": secret}
    if user or portal != PORTAL or target != TARGET:
        with pytest.raises(GuestError) as caught:
            initiator.storage_connect("job", [volume])
        assert caught.value.code == "guest.bad-volume"
    assert not any("--login" in argv for argv in tools)


@pytest.mark.parametrize("old", [RECORD, RECORD.replace("# END RECORD\n", ""), ""])
def test_settings_take_the_place_of_others(old: str) -> None:
    text = initiator.with_settings(old, {"node.startup": "automatic"})
    assert text.count("node.startup") == 1
    assert text.endswith("\n")


# -- multipathd --------------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """``active``: multipathd runs."""
    state: dict[str, Any] = {"active": False, "ran": [], "conf": tmp_path / "conf.d/liveupdate.conf"}

    def run(argv: Any, **_: Any) -> Output:
        state["ran"].append(list(argv))
        if "is-active" in argv:
            return Output(0 if state["active"] else 3, "", 0.0)
        state["active"] = "enable" in argv
        return Output(0, "", 0.0)

    monkeypatch.setattr(multipath, "CONF", str(state["conf"]))
    monkeypatch.setattr(multipath, "run", run)
    monkeypatch.setattr(multipath, "find", lambda tool: "/sbin/multipathd")
    return state


def test_multipathd_is_set_up_by_one_file_of_our_own_and_undone_by_the_same_job(configured: dict[str, Any]) -> None:
    multipath.multipath_up("job-1", [])
    text = configured["conf"].read_text()
    assert "find_multipaths yes\n" in text
    assert all("{" not in line.strip()[:-1] for line in text.splitlines()), "one statement a line"
    multipath.multipath_down("job-2")
    assert configured["conf"].exists(), "another job's"
    multipath.multipath_down("job-1")
    assert not configured["conf"].parent.exists()
    assert not configured["active"]
    multipath.multipath_down("job-1")


def test_a_multipathd_that_runs_stays_as_its_owner_has_it(configured: dict[str, Any]) -> None:
    configured["active"] = True
    multipath.multipath_up("job-1", [])
    assert not configured["conf"].exists()
    multipath.multipath_down("job-1")
    assert configured["active"]


def test_a_map_is_there_once_every_path_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(*states: str) -> list[dict[str, Any]]:
        paths = [{"device": d, "dm_st": "active", "chk_st": s} for d, s in zip(("sda", "sdb"), states, strict=False)]
        return [{"uuid": "36001", "device": "dm-0", "paths": paths}]

    looks = iter([[], made("ready"), made("ready", "faulty"), made("ready", "ready")])
    monkeypatch.setattr(multipath, "multipath_maps", lambda: next(looks))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert len(multipath.wait_for_map({"sda", "sdb"}, 2)["paths"]) == 2
    monkeypatch.setattr(multipath, "_PATIENCE", 0.0)
    monkeypatch.setattr(multipath, "multipath_maps", lambda: made("faulty"))
    with pytest.raises(GuestError) as caught:
        multipath.wait_for_map({"sda"}, 1)
    assert caught.value.code == "guest.no-map"
    monkeypatch.setattr(multipath, "multipath_maps", lambda: made("ready", "faulty"))
    assert multipath.wait_for_map({"sda", "sdb"}, 2)["uuid"] == "36001", "degraded is better than none"


# -- by which address --------------------------------------------------------------------------------------------------


class Network:
    """Sessions with two portals: which address each connection leaves by; killed ones come back by the route's."""

    def __init__(self) -> None:
        self.by = dict.fromkeys((PORTAL, "10.0.9.2:3260"), "10.0.0.10")
        self.source = "10.0.0.10"
        self.down: set[str] = set()
        self.let_in = {"10.0.0.10", "10.0.0.99"}
        self.killed: list[str] = []
        #: How many more looks it takes until the map has the path back.
        self.reinstated = 0
        self.routes: dict[str, list[str]] = {}
        self.rules: Counter[str] = Counter()

    def run(self, argv: Any, **_: Any) -> Output:
        words = list(argv)
        if words[:3] == ["ip", "route", "get"]:
            return Output(0, f"{words[3]} via 10.0.0.1 dev ens3 src 10.0.0.10 uid 0\n    cache", 0.0)
        if words[:3] == ["ip", "route", "replace"]:
            self.routes[words[3]] = words[4:]
        elif words[:3] == ["ip", "route", "del"]:
            self.routes.pop(words[3], None)
        elif words[:2] == ["ip", "rule"]:
            self.rules[words[4]] += 1 if words[2] == "add" else -1
            self.rules[words[4]] = max(0, self.rules[words[4]])
        elif "-K" in words:
            self.killed.append(words[4])
            assert not self.down - {"10.0.9.2:3260"}, "another path is up meanwhile"
            assert words[-1] in self.let_in, "it can come back"
            assert not self.reinstated, "the map has taken the path before back"
            self.by[words[4]] = words[-1]
            self.reinstated = 2
        elif words[0] == "ss":
            local = self.by[words[-1]]
            return Output(0, f"0      0      {local}:43210      {words[-1]}\n", 0.0)
        return Output(0, "", 0.0)

    def connect(self, peer: tuple[str, int], timeout: float, source: tuple[str, int]) -> socket.socket:
        if source[0] not in self.let_in or f"{peer[0]}:{peer[1]}" in self.down:
            raise TimeoutError
        return socket.socket()

    def disks(self) -> list[dict[str, Any]]:
        return [{"device": f"sd{n}", "portal": portal} for n, portal in enumerate(self.by)]

    def maps(self) -> list[dict[str, Any]]:
        last = self.killed[-1] if self.reinstated else ""
        self.reinstated = max(0, self.reinstated - 1)
        states = {disk["device"]: "faulty" if disk["portal"] == last else "ready" for disk in self.disks()}
        return [{"paths": [{"device": device, "dm_st": "active", "chk_st": chk} for device, chk in states.items()]}]

    def sessions(self) -> list[dict[str, str]]:
        return [
            {"name": "s", "target": TARGET, "portal": p, "state": "FAILED" if p in self.down else "LOGGED_IN"}
            for p in self.by
        ]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(initiator, "run", made.run)
    monkeypatch.setattr(initiator, "sessions", made.sessions)
    monkeypatch.setattr(initiator, "disks", made.disks)
    monkeypatch.setattr(initiator, "multipath_maps", made.maps)
    monkeypatch.setattr(socket, "create_connection", made.connect)
    return made


def test_sessions_change_their_address_one_after_the_other_and_keep_to_it(network: Network) -> None:
    portals = list(network.by)
    assert initiator.storage_source(portals, "10.0.0.99", routed=True) == {"moved": portals, "down": []}
    assert set(network.by.values()) == {"10.0.0.99"}
    assert network.routes["10.0.9.1"] == ["via", "10.0.0.1", "dev", "ens3", "src", "10.0.0.99", "table", "7023"]
    assert initiator.storage_source(portals, "10.0.0.99", routed=True)["moved"] == []
    assert set(network.rules.values()) == {1}
    initiator.storage_source(portals, "10.0.0.10", routed=False)
    assert (network.routes, set(network.rules.values())) == ({}, {0})
    assert set(network.by.values()) == {"10.0.0.10"}


def test_a_path_that_is_down_holds_nobody_up(network: Network) -> None:
    network.down = {"10.0.9.2:3260"}
    told = initiator.storage_source(list(network.by), "10.0.0.99", routed=True)
    assert told == {"moved": [PORTAL], "down": ["10.0.9.2:3260"]}
    assert "10.0.9.2" in network.routes, "it will come back by the new way"
    network.down = set(network.by)
    with pytest.raises(GuestError) as caught:
        initiator.storage_source(list(network.by), "10.0.0.99", routed=True)
    assert caught.value.code == "guest.session-stuck"


def test_a_session_that_could_not_come_back_by_the_new_address_is_not_cut(network: Network) -> None:
    network.let_in = {"10.0.0.10"}
    with pytest.raises(GuestError) as caught:
        initiator.storage_source(list(network.by), "10.0.0.99", routed=True)
    assert caught.value.code == "guest.session-stuck"
    assert network.killed == []
    initiator.storage_source(list(network.by), "10.0.0.10", routed=False)
    assert (network.routes, network.killed) == ({}, [])
