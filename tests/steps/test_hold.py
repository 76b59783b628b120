"""A moved workload that is watched, until its original is released."""

from dataclasses import replace
from typing import Any

import pytest

from liveupdate.errors import Retry
from liveupdate.steps import hold
from liveupdate.testing.context import MemoryContext
from tests.steps.moving import FORWARD, drive, made


class TestHold:
    def held(self, **parameters: Any) -> MemoryContext:
        context, _ = made(**parameters)
        drive(context, *FORWARD)
        return context

    def test_ends_at_once_if_nothing_is_to_be_waited_for(self) -> None:
        assert hold.STEP.apply(self.held()) == {"confirmed": False}

    def test_waits_for_the_word_without_using_up_tries(self) -> None:
        context = self.held(confirm=True)
        with pytest.raises(Retry) as caught:
            hold.STEP.apply(context)
        assert not caught.value.counts
        context.job = replace(context.job, decision="confirm")
        assert hold.STEP.apply(context) == {"confirmed": True}

    def test_watches_for_the_soak_time_since_the_opening(self) -> None:
        # the guest says that it opened five seconds ago
        with pytest.raises(Retry, match="2 s more"):
            hold.STEP.apply(self.held(soak_seconds=7))
        assert hold.STEP.apply(self.held(soak_seconds=4))["soaked_seconds"] == 5

    def test_a_workload_that_falls_ill_keeps_it_waiting(self) -> None:
        context = self.held(soak_seconds=4)
        context.guests["surrogate"].pair.trouble = "sick"
        with pytest.raises(Retry, match="not well"):
            hold.STEP.apply(context)

    def restarted(self, **parameters: Any) -> MemoryContext:
        context = self.held(**parameters)
        context.guests["surrogate"].pair.restart("surrogate")
        return context

    @pytest.mark.parametrize("wish", [{"soak_seconds": 4}, {"confirm": True}], ids=["soak", "confirm"])
    def test_a_surrogate_that_was_restarted_keeps_it_waiting_and_says_so_once(self, wish: dict[str, Any]) -> None:
        context = self.restarted(**wish)
        for _ in range(3):
            with pytest.raises(Retry) as caught:
                hold.STEP.apply(context)
            assert (caught.value.code, caught.value.counts) == ("live-update.hold.restarted", False)
            assert "confirm, or roll back" in caught.value.remedy
            context.job = replace(context.job, reason=caught.value.detail)
        [told] = [detail for kind, detail in context.events if kind == "hold.trouble"]
        assert told == {
            "code": "live-update.hold.restarted",
            "reason": caught.value.detail,
            "remedy": caught.value.remedy,
        }

    def test_the_operator_may_be_content_with_a_surrogate_that_was_restarted(self) -> None:
        context = self.restarted(confirm=True)
        context.job = replace(context.job, decision="confirm")
        assert hold.STEP.apply(context) == {"confirmed": True}

    def test_a_restart_is_noticed_in_a_job_of_an_older_release(self) -> None:
        context = self.restarted(confirm=True)
        context.results["open"] = {k: v for k, v in context.results["open"].items() if k != "boot_id"}
        with pytest.raises(Retry) as caught:
            hold.STEP.apply(context)
        assert caught.value.code == "live-update.hold.forgotten"

    def test_a_program_that_was_lost_is_noticed(self) -> None:
        context = self.held(confirm=True)
        context.guests["surrogate"].pair.roles["surrogate"] = None
        with pytest.raises(Retry) as caught:
            hold.STEP.apply(context)
        assert caught.value.code == "live-update.hold.forgotten"

    def test_a_surrogate_that_is_silent_is_waited_for(self) -> None:
        context = self.held(confirm=True)
        context.guests["surrogate"].pair.silent = {"surrogate"}
        with pytest.raises(Retry) as caught:
            hold.STEP.apply(context)
        assert (caught.value.code, caught.value.counts) == ("live-update.hold.silent", False)
        context.guests["surrogate"].pair.silent = set()
        with pytest.raises(Retry, match="waits for the operator"):
            hold.STEP.apply(context)
