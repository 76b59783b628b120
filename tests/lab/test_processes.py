"""The lab starts a process once, finds it again, and ends it and what it started, never anybody else."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import processes
from lab.processes import Failed, Process
from tests.waiting import until

SLEEPER = Process("sleeper", ["sleep", "1000"])


@pytest.fixture(autouse=True)
def lab(state: Path) -> Iterator[Path]:
    yield state
    processes.stop(processes.names(), grace=0)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_started_process_is_alive_and_is_not_started_twice() -> None:
    assert processes.start(SLEEPER)
    pid = processes.pid("sleeper")
    assert not processes.start(SLEEPER)
    assert processes.pid("sleeper") == pid
    assert processes.names() == ["sleeper"]


def test_a_stopped_process_is_gone_and_forgotten() -> None:
    processes.start(SLEEPER)
    pid = processes.pid("sleeper")
    processes.stop(["sleeper"])
    assert gone(pid)
    assert processes.names() == []
    with pytest.raises(Failed, match="sleeper is not running"):
        processes.pid("sleeper")


def test_one_that_ignores_the_polite_signal_is_killed() -> None:
    stubborn = Process("stubborn", ["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 0.1; done"])
    processes.start(stubborn)
    until(lambda: "deaf" in processes.tail("stubborn"))
    pid = processes.pid("stubborn")
    processes.stop(["stubborn"], grace=0.2)
    assert gone(pid)


def test_workers_that_outlive_a_killed_parent_end_with_it(lab: Path) -> None:
    parent = Process("parent", ["sh", "-c", "sleep 1000 & echo $!; wait"])
    processes.start(parent)
    until(lambda: processes.log_file("parent").read_text().strip().isdigit())
    worker = int(processes.log_file("parent").read_text())
    os.kill(processes.pid("parent"), signal.SIGKILL)
    until(lambda: not processes.alive("parent"))
    assert not gone(worker)
    processes.stop(["parent"])
    assert gone(worker)


def test_the_dead_are_those_that_ended_without_being_stopped() -> None:
    for name in ("crashed", "stopped", "running"):
        processes.start(Process(name, ["sleep", "1000"]))
    os.kill(processes.pid("crashed"), signal.SIGKILL)
    until(lambda: not processes.alive("crashed"))
    processes.stop(["stopped"])
    assert processes.dead() == ["crashed"]


def test_a_stranger_under_a_reused_pid_is_neither_ours_nor_touched(lab: Path) -> None:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as stranger:
        (lab / "run").mkdir()
        (lab / "run/sleeper.pid").write_text(f"{stranger.pid} 1")  # same pid, another start time
        assert not processes.alive("sleeper")
        processes.stop(["sleeper"], grace=0)
        assert stranger.poll() is None
        stranger.kill()


def test_the_end_of_its_log_says_why_a_process_died() -> None:
    crashing = Process("crashing", ["sh", "-c", "echo no such option; exit 1"], ready=lambda: False)
    processes.start(crashing)
    with pytest.raises(Failed, match=r"(?s)crashing died.*no such option"):
        processes.wait_ready(crashing)


def test_a_death_is_told_while_others_are_not_ready_yet() -> None:
    slow = Process("slow", ["sleep", "1000"], ready=lambda: False)
    crashing = Process("crashing", ["false"])
    for process in (slow, crashing):
        processes.start(process)
    with pytest.raises(Failed, match="crashing died"):
        processes.wait_ready(slow, crashing, timeout=30)


def test_one_that_never_gets_ready_is_named() -> None:
    slow = Process("slow", ["sleep", "1000"], ready=lambda: False)
    processes.start(slow)
    with pytest.raises(Failed, match="slow is not ready"):
        processes.wait_ready(slow, timeout=0.2)


def test_a_program_that_does_not_exist_is_named() -> None:
    with pytest.raises(Failed, match="ghost cannot be started"):
        processes.start(Process("ghost", ["/nonexistent/ghost"]))


def test_a_failed_command_is_named_with_what_it_said() -> None:
    with pytest.raises(Failed, match=r"(?s)migrations failed with status 3.*no table"):
        processes.run("migrations", ["sh", "-c", "echo no table; exit 3"])


def test_nothing_of_the_callers_environment_reaches_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy.example")
    monkeypatch.setenv("OS_PASSWORD", "secret")
    processes.run("environment", ["env"], {"ONLY": "this"})
    said = processes.log_file("environment").read_text()
    assert "ONLY=this" in said
    assert "proxy.example" not in said
    assert "secret" not in said


def test_a_log_is_private() -> None:
    processes.start(SLEEPER)
    assert processes.log_file("sleeper").stat().st_mode & 0o077 == 0
