"""The kernel's update on the surrogate: what is done already stays, and the worker may die at any point."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.model import Json
from liveupdate.steps import attach, update
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.context import MemoryContext, job
from tests.steps.conftest import context_of, run_before
from tests.steps.debian import NEW, OLD, Debian


class Crash(BaseException):
    """kill -9."""


class Lab:
    """A surrogate that was just provisioned, and the time that passes between the calls of the step."""

    def __init__(self, **parameters: Any) -> None:
        self.world: World = with_server()
        self.context: MemoryContext = context_of(self.world)
        run_before(self.context, attach.STEP)
        self.id: str = self.context.results["provision"]["server_id"]
        self.debian = Debian(smbios=self.id)
        self.context.guests = {"surrogate": self.debian}
        self.context.job = job(parameters=parameters)
        facts = {"kernel": OLD, "machine_id": self.debian.machine_id, "hostname": "server"}
        self.context.results["preflight"] = {**self.context.results["preflight"], "guest": facts}
        #: What Nova does when it is asked to reboot.
        self.boot: Callable[[], None] = self.debian.boot

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
    lab = Lab(kernel="newest")
    result = lab.finish()
    assert lab.debian.log == ["refresh", f"install linux-image-{NEW}", f"boot {NEW}"]
    assert result == {
        "kernel_before": OLD,
        "kernel_after": NEW,
        "packages": [f"linux-image-{NEW}"],
        "rebooted": True,
    }


def test_what_is_done_is_told_by_probe_and_not_done_again() -> None:
    lab = Lab(kernel="newest")
    assert not update.STEP.probe(lab.context).done
    result = lab.finish()
    log = list(lab.debian.log)
    assert update.STEP.probe(lab.context).result == result
    assert lab.finish() == result
    assert lab.debian.log == log


def test_a_kernel_that_runs_already_is_left_alone() -> None:
    lab = Lab(kernel="newest")
    lab.debian.installed, lab.debian.running = [OLD, NEW], NEW
    result = lab.finish()
    assert lab.debian.log == ["refresh"]
    assert (result["kernel_after"], result["packages"], result["rebooted"]) == (NEW, [], False)


def test_a_kernel_that_is_only_installed_is_only_booted() -> None:
    lab = Lab(kernel="newest")
    lab.debian.installed = [OLD, NEW]
    result = lab.finish()
    assert lab.debian.log == ["refresh", f"boot {NEW}"]
    assert (result["packages"], result["rebooted"]) == ([], True)


def test_a_kernel_that_shall_stay_stays() -> None:
    lab = Lab(kernel=None)
    assert lab.finish()["kernel_after"] == OLD
    assert lab.debian.log == []


def test_a_kernel_that_nobody_has_is_the_requesters_fault() -> None:
    error = failure(Lab(kernel="linux-image-9.9.9-cloud-amd64"))
    assert (error.code, error.user_fault) == ("live-update.kernel.unknown", True)


def test_a_kernel_that_a_newer_one_outranks_is_not_booted_in_vain() -> None:
    lab = Lab(kernel=f"linux-image-{OLD}")
    lab.debian.installed, lab.debian.running = [NEW], NEW
    assert failure(lab).code == "live-update.kernel.outranked"
    assert not any(entry.startswith("boot") for entry in lab.debian.log)


def test_a_boot_that_ends_in_the_old_kernel_is_not_tried_for_ever() -> None:
    lab = Lab(kernel="newest")
    lab.boot = lambda: lab.debian.boot(OLD)
    assert failure(lab).code == "live-update.kernel.not-booted"
    assert lab.debian.boots == 2


def test_a_surrogate_that_never_goes_down_uses_up_its_attempts() -> None:
    lab = Lab(kernel="newest")
    lab.boot = lambda: None
    with pytest.raises(AssertionError, match="out of attempts"):
        lab.finish()


def test_apt_that_fails_is_told_with_its_words_and_may_be_tried_again() -> None:
    lab = Lab(kernel="newest")
    lab.debian.broken = True
    error = failure(lab)
    assert error.code == "live-update.guest.packages-failed"
    assert "Unmet dependencies" in error.detail
    lab.debian.broken = False
    assert lab.finish()["kernel_after"] == NEW


@pytest.mark.parametrize("change", [{"machine_id": "another"}, {"smbios": "another"}])
def test_a_surrogate_that_is_somebody_else_fails(change: dict[str, str]) -> None:
    lab = Lab(kernel="newest")
    for key, value in change.items():
        setattr(lab.debian, key, value)
    assert failure(lab).code == "live-update.surrogate.identity"


@pytest.mark.parametrize("note", ["", "[]", '{"release": 1}', "\ufffd"])
def test_a_spoiled_note_is_an_error_and_no_guess(note: str) -> None:
    lab = Lab(kernel="newest")
    lab.debian.disk[update.NOTE] = note
    assert failure(lab).code == "live-update.guest.note-spoiled"


def test_waiting_holds_no_thread_and_costs_no_attempt() -> None:
    lab = Lab(kernel="newest")
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
    lab = Lab(kernel="newest")
    lab.set(status="ERROR", fault="no host")
    assert "no host" in failure(lab).detail


def test_a_worker_may_be_killed_anywhere() -> None:
    """At every moment before and after each command in the guest and each call of the cloud, once."""
    for number in range(500):
        lab = Lab(kernel="newest")
        left = iter(range(number))

        def strike(*_: str, left: Any = left) -> None:
            if next(left, None) is None:
                raise Crash

        lab.debian.strike = strike
        lab.world.strike = strike
        crashed = False
        try:
            result = lab.finish()
        except Crash:
            crashed = True
            lab.debian.strike = lab.world.strike = lambda *_: None
            lab.time_passes()
            result = lab.finish()
        assert lab.debian.log == ["refresh", f"install linux-image-{NEW}", f"boot {NEW}"]
        assert (result["kernel_after"], result["rebooted"]) == (NEW, True)
        assert result["packages"] == [f"linux-image-{NEW}"]
        if not crashed:
            assert number > 30, "nothing was struck"
            return
    raise AssertionError("never without a crash")
