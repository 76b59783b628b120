"""The kernel's update on the surrogate: what is done already stays, and the worker may die at any point."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.steps import attach, update
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext
from tests.steps.conftest import context_of, run_before
from tests.steps.crashes import Crash, crash_after
from tests.steps.debian import NEW, OLD, Debian


class Lab:
    """A surrogate that was just provisioned, and the time that passes between the calls of the step."""

    def __init__(self, kernel: str = NEW) -> None:
        """``kernel``: the release that the preflight has found."""
        self.world: World = with_server()
        self.context: MemoryContext = context_of(self.world)
        run_before(self.context, attach.STEP)
        self.id: str = self.context.results["provision"]["server_id"]
        self.debian = Debian(smbios=self.id)
        self.context.guests = {"surrogate": self.debian}
        facts = {"kernel": OLD, "machine_id": self.debian.machine_id, "hostname": "server"}
        self.ask(kernel, guest=facts)
        #: What Nova does when it is asked to reboot.
        self.boot: Callable[[], None] = self.debian.boot

    def ask(self, kernel: str, **facts: Any) -> None:
        self.context.results["preflight"] = {**self.context.results["preflight"], "kernel": kernel, **facts}

    def set(self, **changes: Any) -> None:
        self.world.servers[self.id] = replace(self.world.servers[self.id], **changes)

    def time_passes(self) -> None:
        if self.world.servers[self.id].task_state:
            self.boot()
            self.set(task_state="")
        self.debian.time_passes()

    def finish(self) -> Json:
        """Apply as the engine would, until it is done. Attempts that count are bounded as there."""
        counted = 0
        for _ in range(40):
            try:
                return update.STEP.apply(self.context)
            except Retry as retry:
                counted += retry.counts
                assert counted < update.STEP.attempts, "out of attempts"
                self.time_passes()
        raise AssertionError("never done")


def failure(lab: Lab) -> Failed:
    with pytest.raises(Failed) as told:
        lab.finish()
    assert told.value.remedy
    return told.value


def test_the_newest_kernel_is_installed_and_booted() -> None:
    lab = Lab()
    result = lab.finish()
    assert lab.debian.log == ["refresh", f"install linux-image-{NEW}", f"boot {NEW}"]
    assert result == {
        "kernel_before": OLD,
        "kernel_after": NEW,
        "packages": [f"linux-image-{NEW}"],
        "rebooted": True,
    }


def test_what_is_done_is_told_by_probe_and_not_done_again() -> None:
    lab = Lab()
    assert not update.STEP.probe(lab.context).done
    result = lab.finish()
    log = list(lab.debian.log)
    assert update.STEP.probe(lab.context).result == result
    assert lab.finish() == result
    assert lab.debian.log == log


def test_a_kernel_that_runs_already_is_left_alone_without_asking_apt() -> None:
    lab = Lab()
    lab.debian.installed, lab.debian.running = [OLD, NEW], NEW
    result = lab.finish()
    assert lab.debian.log == []
    assert (result["kernel_after"], result["packages"], result["rebooted"]) == (NEW, [], False)


def test_a_kernel_that_is_only_installed_is_only_booted() -> None:
    lab = Lab()
    lab.debian.installed = [OLD, NEW]
    result = lab.finish()
    assert lab.debian.log == [f"boot {NEW}"]
    assert (result["packages"], result["rebooted"]) == ([], True)


def test_an_older_kernel_is_booted_and_stays_the_default() -> None:
    lab = Lab(OLD)
    lab.debian.installed, lab.debian.running = [OLD, NEW], NEW
    result = lab.finish()
    assert lab.debian.log == [f"boot {OLD}"]
    assert (result["kernel_after"], result["rebooted"]) == (OLD, True)
    lab.debian.boot()
    assert lab.debian.running == OLD


def test_an_older_kernel_may_have_to_be_installed_first() -> None:
    lab = Lab(OLD)
    lab.debian.installed, lab.debian.running = [NEW], NEW
    assert lab.finish()["kernel_after"] == OLD
    assert lab.debian.log == ["refresh", f"install linux-image-{OLD}", f"boot {OLD}"]


def test_after_an_older_one_the_newest_is_started_again_and_whatever_is_newer_later() -> None:
    lab = Lab(OLD)
    lab.debian.installed, lab.debian.running = [OLD, NEW], NEW
    lab.finish()
    del lab.debian.disk[update.NOTE]
    lab.ask(NEW)
    assert lab.finish()["kernel_after"] == NEW
    lab.debian.installed.append("6.1.0-60-cloud-amd64")
    lab.debian.boot()
    assert lab.debian.running == "6.1.0-60-cloud-amd64"


def test_a_kernel_that_a_newer_one_outranks_is_not_booted_in_vain_where_the_boot_loader_is_unknown() -> None:
    lab = Lab(OLD)
    lab.debian.installed, lab.debian.running, lab.debian.grub = [OLD, NEW], NEW, False
    error = failure(lab)
    assert (error.code, error.user_fault) == ("live-update.kernel.outranked", True)
    assert lab.debian.log == []


def test_a_boot_that_ends_in_the_old_kernel_is_not_tried_for_ever() -> None:
    lab = Lab()
    lab.boot = lambda: lab.debian.boot(OLD)
    assert failure(lab).code == "live-update.kernel.not-booted"
    assert lab.debian.boots == 2


def test_a_surrogate_that_never_goes_down_uses_up_its_attempts() -> None:
    lab = Lab()
    lab.boot = lambda: None
    with pytest.raises(AssertionError, match="out of attempts"):
        lab.finish()


def test_apt_that_fails_is_told_with_its_words_and_may_be_tried_again() -> None:
    lab = Lab()
    lab.debian.broken = True
    error = failure(lab)
    assert error.code == "live-update.guest.packages-failed"
    assert "Unmet dependencies" in error.detail
    lab.debian.broken = False
    assert lab.finish()["kernel_after"] == NEW


@pytest.mark.parametrize("change", [{"machine_id": "another"}, {"smbios": "another"}])
def test_a_surrogate_that_is_somebody_else_fails(change: dict[str, str]) -> None:
    lab = Lab()
    for key, value in change.items():
        setattr(lab.debian, key, value)
    assert failure(lab).code == "live-update.surrogate.identity"


@pytest.mark.parametrize("note", ["", "[]", '{"release": 1}', "\ufffd"])
def test_a_spoiled_note_is_an_error_and_no_guess(note: str) -> None:
    lab = Lab()
    lab.debian.disk[update.NOTE] = note
    assert failure(lab).code == "live-update.guest.note-spoiled"


def test_waiting_holds_no_thread_and_costs_no_attempt() -> None:
    lab = Lab()
    lab.debian.up = False
    with pytest.raises(Retry) as silent:
        update.STEP.apply(lab.context)
    lab.debian.up = True
    lab.set(task_state="reboot_started")
    with pytest.raises(Retry) as rebooting:
        update.STEP.apply(lab.context)
    assert (silent.value.counts, rebooting.value.counts) == (False, False)
    assert rebooting.value.watch is not None
    assert lab.debian.log == []


def test_a_surrogate_in_error_fails_at_once() -> None:
    lab = Lab()
    lab.set(status="ERROR", fault="no host")
    assert "no host" in failure(lab).detail


@pytest.mark.parametrize(("asked", "there"), [(NEW, OLD), (OLD, NEW)])
def test_a_worker_may_be_killed_anywhere(asked: str, there: str) -> None:
    """At every moment before and after each command in the guest and each call of the cloud, once."""
    for number in range(500):
        lab = Lab(asked)
        lab.debian.installed, lab.debian.running = [there], there
        lab.debian.strike = lab.world.strike = crash_after(number)
        crashed = False
        try:
            result = lab.finish()
        except Crash:
            crashed = True
            lab.debian.strike = lab.world.strike = lambda *_: None
            lab.time_passes()
            result = lab.finish()
        assert lab.debian.log == ["refresh", f"install linux-image-{asked}", f"boot {asked}"]
        assert (result["kernel_after"], result["rebooted"]) == (asked, True)
        assert result["packages"] == [f"linux-image-{asked}"]
        if not crashed:
            assert number > 30, "nothing was struck"
            return
    raise AssertionError("never without a crash")
