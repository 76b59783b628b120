"""Guests that fall silent, or are only slow, while they copy."""

import pytest

from liveupdate.errors import Failed, Retry
from liveupdate.steps import pre_copy
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.pair import Pair
from tests.steps.moving import drive, made


class TestSilentWhileCopying:
    """The kernel of a guest answers, its programs do not."""

    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pre_copy, "_LOOK", 0.0)

    def hanging(self, side: str, attempt: int) -> tuple[MemoryContext, Pair]:
        context, pair = made()
        context.attempt = attempt
        pair.hanging = {"precopy"}
        asked: list[str] = []

        def fall_silent(command: str) -> None:
            asked.append(command)
            if asked.count(f"{side} status") > 3:
                pair.silent = {side}

        pair.before = fall_silent
        return context, pair

    @pytest.mark.parametrize("side", ["original", "surrogate"])
    def test_it_is_noticed_by_its_silence_and_tried_once_more(self, side: str) -> None:
        context, pair = self.hanging(side, attempt=1)
        with pytest.raises(Retry) as caught:
            drive(context, pre_copy.STEP)
        assert caught.value.counts
        assert caught.value.detail.startswith(f"the {side} does not say any more how it goes")
        assert pair.serving == {"original"}

    @pytest.mark.parametrize("side", ["original", "surrogate"])
    def test_if_that_does_not_help_the_job_ends_with_what_to_do(self, side: str) -> None:
        context, pair = self.hanging(side, attempt=2)
        with pytest.raises(Failed) as caught:
            drive(context, pre_copy.STEP)
        assert caught.value.code == "live-update.pre-copy.silent"
        assert f"the {side}'s console" in caught.value.remedy
        assert pair.serving == {"original"}

    def test_a_guest_that_is_only_slow_is_waited_for(self) -> None:
        context, pair = made()
        pair.hanging = {"precopy"}
        looks: list[str] = []

        def at_last(command: str) -> None:
            looks.append(command)
            if len(looks) > 100:
                pair.hanging = set()

        pair.before = at_last
        drive(context, pre_copy.STEP)
        assert looks.count("surrogate status") > 10
        assert pre_copy._SILENCE >= 60

    def test_a_round_without_end_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pre_copy, "_ROUND", 0.05)
        context, pair = made()
        pair.hanging = {"precopy"}
        with pytest.raises(Failed) as caught:
            drive(context, pre_copy.STEP)
        assert caught.value.code == "live-update.pre-copy.too-slow"
