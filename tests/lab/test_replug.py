"""A guest whose tap was made anew is plugged into the switch again; one that is plugged stays so."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import openvswitch
from lab.namespaces import Host
from tests.waiting import until

TAP = "tap-lab-test"
GUEST = f"<domain><devices><interface><target dev='{TAP}'/></interface></devices></domain>"
#: Keeps what it was asked, and answers that the port is open as number $OFPORT.
SWITCH = """\
#!/bin/sh
shift 2
echo "$*" >> "$CALLS"
case "$*" in
    *ofport) echo "$OFPORT" ;;
    *external_ids) echo '{iface-id="port-1"}' ;;
esac
"""

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip"), reason="a network interface needs root and iproute2"
)


@pytest.fixture
def tap() -> Iterator[str]:
    subprocess.run(["ip", "link", "add", TAP, "type", "veth", "peer", "name", f"{TAP}x"], check=True)
    yield TAP
    subprocess.run(["ip", "link", "delete", TAP], check=True)


def run_hook(folder: Path, operation: str = "started", ofport: str = "4") -> list[str]:
    """What the switch was told to change."""
    (folder / "ovs-vsctl").write_text(SWITCH)
    (folder / "ovs-vsctl").chmod(0o755)
    calls = folder / "calls"
    calls.touch()
    subprocess.run(
        ["sh", "-c", openvswitch.replug(Host(99)), "qemu", "guest", operation, "begin", "-"],
        input=GUEST,
        text=True,
        check=True,
        env={"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "OFPORT": ofport},
    )
    return [call for call in calls.read_text().splitlines() if "get Interface" not in call]


def test_a_new_tap_under_an_open_port_is_plugged_again_as_the_same_neutron_port(tap: str, tmp_path: Path) -> None:
    assert run_hook(tmp_path) == [
        f"del-port br-int {tap}",
        f'add-port br-int {tap} -- set Interface {tap} external_ids={{iface-id="port-1"}}',
    ]


def test_a_tap_the_switch_listens_to_is_left_alone(tap: str, tmp_path: Path) -> None:
    subprocess.run(["ip", "link", "set", tap, "promisc", "on"], check=True)
    assert run_hook(tmp_path) == []


@pytest.mark.parametrize("ofport", ["-1", "[]", ""])
def test_a_port_the_switch_is_about_to_open_is_left_alone(tap: str, tmp_path: Path, ofport: str) -> None:
    assert run_hook(tmp_path, ofport=ofport) == []


def test_nothing_happens_but_when_a_guest_has_started(tap: str, tmp_path: Path) -> None:
    assert run_hook(tmp_path, operation="stopped") == []


def test_a_tap_that_the_switch_has_taken_down_by_accident_comes_up_again(tap: str) -> None:
    with subprocess.Popen(["sh", "-c", openvswitch.KEEP_UP], start_new_session=True) as keeper:
        try:
            for _ in range(2):
                until_up(tap)
                subprocess.run(["ip", "link", "set", tap, "promisc", "on", "down"], check=True)
            until_up(tap)
        finally:
            os.killpg(keeper.pid, signal.SIGKILL)


def until_up(tap: str) -> None:
    until(lambda: int(Path(f"/sys/class/net/{tap}/flags").read_text(), 16) & 1)
