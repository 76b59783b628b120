"""Packages upgraded in place: nothing is restarted by it, what failed is told, nothing of ours stays."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from liveupdate.drivers.guest import Completed, packages
from liveupdate.errors import Retry
from liveupdate.steps import update, user_space
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.context import MemoryContext, job

STALE = [{"unit": "kv.service", "pid": 70001, "name": "kv", "files": ["/usr/lib/libssl.so.3"]}]


@dataclass
class Guest:
    """``unit``: ActiveState and SubState of the upgrade's. ``started``: its command lines."""

    unit: tuple[str, str] = ("inactive", "dead")
    started: list[list[str]] = field(default_factory=list)
    #: The packages before the update, if that has been noted; and now.
    before: str | None = None
    after: str = "ii  openssl 3.0.2\n"

    def run(self, argv: Sequence[str], *, check: bool = True) -> Completed:
        match list(argv):
            case ["systemctl", "show", *_]:
                return Completed(0, "ActiveState={}\nSubState={}\n".format(*self.unit), "")
            case ["systemctl", "stop" | "reset-failed", _]:
                self.unit = ("inactive", "dead")
            case ["systemd-run", _, _, "--property=RemainAfterExit=yes", "--", "sh", "-c", _, "sh", *command]:
                assert self.unit[0] == "inactive", "there already"
                self.started.append(command)
                self.unit = ("active", "running")
            case ["journalctl", *_]:
                return Completed(0, "E: Unmet dependencies\n", "")
            case ["cat", update.PACKAGES]:
                return Completed(0 if self.before else 1, self.before or "", "")
            case ["dpkg-query", *_]:
                return Completed(0, self.after, "")
            case _:
                raise AssertionError(f"unforeseen: {argv}")
        return Completed(0, "", "")

    def oneshot(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        assert command == "stale"
        return {"processes": STALE}


def moved(**parameters: Any) -> tuple[MemoryContext, Guest]:
    cloud, guest = CloudDouble(with_server(), admin=True), Guest()
    return MemoryContext(job(parameters=parameters), cloud, cloud, {"surrogate": guest}), guest


def upgraded(context: MemoryContext, guest: Guest, end: tuple[str, str]) -> Any:
    """Apply as the engine does; the upgrade ends in ``end``."""
    with pytest.raises(Retry) as caught:
        user_space.STEP.apply(context)
    assert not caught.value.counts
    guest.unit = end
    return user_space.STEP.apply(context)


def test_without_packages_only_what_runs_old_code_is_told() -> None:
    context, guest = moved()
    assert user_space.STEP.apply(context) == {"packages": [], "failed": "", "changed": None, "stale": STALE}
    assert guest.started == []


@pytest.mark.parametrize(
    ("wanted", "last"), [("all", ["--with-new-pkgs", "upgrade"]), (["openssl", "curl"], ["--", "openssl", "curl"])]
)
def test_packages_are_upgraded_as_asked(wanted: Any, last: list[str]) -> None:
    context, guest = moved(packages=wanted)
    guest.before = "ii  openssl 3.0.1\n"
    changed = [{"name": "openssl", "before": "3.0.1", "after": "3.0.2"}]
    told = {"packages": wanted, "failed": "", "changed": changed, "stale": STALE}
    assert upgraded(context, guest, ("active", "exited")) == told
    [command] = guest.started
    assert command[-len(last) :] == last
    assert guest.unit == ("inactive", "dead"), "the task's result is cleared"


def test_an_upgrade_that_fails_is_told_and_the_update_stands() -> None:
    context, guest = moved(packages="all")
    assert upgraded(context, guest, ("failed", "failed"))["failed"] == "E: Unmet dependencies"
    assert guest.unit == ("inactive", "dead")


def test_a_worker_that_comes_later_finds_the_upgrade_under_way() -> None:
    context, guest = moved(packages="all")
    for _ in range(3):
        with pytest.raises(Retry):
            user_space.STEP.apply(context)
    assert len(guest.started) == 1


class TestQuietly:
    """The shell's part, for real, with a directory for the guest's /usr/sbin and an apt-get that does nothing."""

    @pytest.fixture
    def policy(self, tmp_path: Path) -> Path:
        (tmp_path / "apt-get").write_text("#!/bin/sh\n")
        (tmp_path / "apt-get").chmod(0o755)
        return tmp_path / "policy-rc.d"

    def quietly(self, policy: Path, *command: str) -> subprocess.CompletedProcess[str]:
        argv = [word.replace("/usr/sbin/policy-rc.d", str(policy)) for word in packages.quietly(command)]
        path = f"{policy.parent}:{os.environ['PATH']}"
        return subprocess.run(argv, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)

    def test_maintainer_scripts_may_not_touch_services_while_it_runs_and_may_afterwards(self, policy: Path) -> None:
        done = self.quietly(policy, "sh", "-c", f"{policy} nginx restart; echo told $? $NEEDRESTART_SUSPEND")
        assert done.stdout == "told 101 1\n"
        assert not policy.exists()

    def test_its_end_is_the_commands(self, policy: Path) -> None:
        assert self.quietly(policy, "sh", "-c", "exit 7").returncode == 7
        assert not policy.exists()

    def test_a_policy_of_the_guests_own_stays(self, policy: Path) -> None:
        policy.write_text("#!/bin/sh\nexit 104\n")
        self.quietly(policy, "true")
        assert policy.read_text() == "#!/bin/sh\nexit 104\n"

    def test_one_that_a_crash_has_left_goes(self, policy: Path) -> None:
        assert self.quietly(policy, "sh", "-c", "kill -9 $PPID").returncode == -9
        assert policy.exists()
        self.quietly(policy, "true")
        assert not policy.exists()
