"""The steps around the cut-over on two guests in memory: one of them serves, whatever happens, and never both."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from liveupdate.errors import Failed, GuestError, LiveUpdateError, Retry, Unknown
from liveupdate.model import StepSpec
from liveupdate.steps import cut_over, open, pre_copy, probe
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.pair import Pair
from tests.steps.crashes import Crash, crash_after
from tests.steps.moving import ALL, FORWARD, drive, made, undo


def test_a_move_ends_with_the_surrogate_serving_and_the_blackout_known() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    assert pair.serving == {"surrogate"}
    assert context.results["open"]["blackout_ms"] == 2000
    assert context.results["cut_over"]["left_at"] > 0


def test_memory_is_copied_ahead_as_long_as_it_helps() -> None:
    context, _ = made()
    drive(context, pre_copy.STEP)
    estimates = [r["estimate_ms"] for r in context.results["pre_copy"]["rounds"]]
    assert estimates == [20000, 5000, 2000, 2000]
    assert context.results["pre_copy"]["estimate_ms"] == 2000


def test_a_volume_that_may_be_on_one_server_only_makes_the_blackout_longer() -> None:
    context, pair = made(multiattach=False, blackout_budget_seconds=3)
    with pytest.raises(Failed, match=r"the blackout would be 4\.0 s, more than the budget of 3\.0 s"):
        drive(context, pre_copy.STEP)
    assert pair.serving == {"original"}


@pytest.mark.parametrize("on_budget", ["abandon", "postpone"])
def test_a_blackout_over_the_budget_is_refused_or_postponed_while_the_workload_runs(on_budget: str) -> None:
    context, pair = made(blackout_budget_seconds=0.5, on_budget=on_budget)
    with pytest.raises(LiveUpdateError) as caught:
        drive(context, pre_copy.STEP)
    if on_budget == "abandon":
        assert isinstance(caught.value, Failed)
        assert caught.value.code == "live-update.pre-copy.over-budget"
    else:
        assert isinstance(caught.value, Retry)
        assert not caught.value.counts
    assert pair.serving == {"original"}


def test_the_pre_copy_wants_the_original_on_its_management_address() -> None:
    context, _ = made()
    context.guests["original"].oneshot = lambda command, arguments: {}  # the address does not come up
    with pytest.raises(Retry) as caught:
        drive(context, pre_copy.STEP)
    assert caught.value.code == "live-update.guest.no-management"


@pytest.mark.parametrize(
    ("trouble", "failing", "code"),
    [
        ("unlinked", "cut_over", "live-update.cut-over.link-broken"),
        ("before the grant", "cut_over", "live-update.cut-over.dump-failed"),
        ("while restoring", "cut_over", "live-update.cut-over."),
        ("sick", "probe", "live-update.probe.not-well"),
        ("too late", "open", "live-update.open.window-passed"),
    ],
)
def test_whatever_fails_before_the_pivot_the_original_serves_again(trouble: str, failing: str, code: str) -> None:
    context, pair = made()
    pair.trouble = trouble
    steps = FORWARD[: [s.name for s in FORWARD].index(failing) + 1]
    with pytest.raises(LiveUpdateError) as caught:
        drive(context, *steps)
    assert caught.value.code.startswith(code)
    undo(context, *steps)
    assert pair.serving == {"original"}
    assert not pair.linked
    assert context.guests["original"].address == ""


def test_a_target_that_is_silent_is_stopped_through_nova_before_the_original_resumes() -> None:
    context, pair = made()
    drive(context, *FORWARD[:2])
    pair.silent = {"surrogate"}
    with pytest.raises(GuestError):
        drive(context, probe.STEP)
    undo(context, *FORWARD[:3])
    assert pair.serving == {"original"}
    assert pair.stopped("surrogate")


def test_a_blackout_that_was_for_nothing_is_told_with_its_length() -> None:
    context, pair = made()
    pair.trouble = "sick"
    with pytest.raises(LiveUpdateError):
        drive(context, *FORWARD[:3])
    undo(context, *FORWARD[:3])
    [told] = [detail for type, detail in context.events if type == "blackout.ended"]
    assert (told["on"], told["blackout_ms"]) == ("original", 900)


def test_what_serves_on_the_surrogate_is_never_taken_back_by_undo() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    with pytest.raises(Failed) as caught:
        undo(context, cut_over.STEP)
    assert caught.value.code == "live-update.cut-over.opened"
    assert pair.serving == {"surrogate"}


def test_a_target_that_serves_is_not_stopped_though_it_is_silent() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    pair.silent = {"surrogate"}
    with pytest.raises(Failed) as caught:
        undo(context, cut_over.STEP)
    assert caught.value.code == "live-update.cut-over.opened"
    assert not pair.stopped("surrogate")


@pytest.mark.parametrize("silent", [set(), {"surrogate"}], ids=["it hands back", "it is stopped through Nova"])
def test_where_the_original_is_gone_the_surrogate_does_not_begin_to_serve(silent: set[str]) -> None:
    context, pair = made()
    drive(context, *FORWARD[:2])
    del pair.world.servers["original"]
    pair.silent = silent
    undo(context, cut_over.STEP)
    assert pair.stopped("surrogate") if silent else pair.phases["surrogate"] == "returned"


def test_a_target_whose_server_is_gone_does_not_serve_and_the_source_does_again() -> None:
    context, pair = made()
    drive(context, *FORWARD[:3])
    del pair.world.servers[pair.servers["surrogate"]]
    assert not open.STEP.probe(context).done
    undo(context, *FORWARD[:3])
    assert pair.serving == {"original"}


def test_a_surrogate_whose_workload_was_moved_back_to_an_original_that_is_gone_since_is_no_target_that_serves() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    drive(context, *FORWARD, back=True)
    del pair.world.servers["original"]
    undo(context, cut_over.STEP)


def test_a_surrogate_that_serves_is_not_stopped_though_the_original_is_gone() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    del pair.world.servers["original"]
    with pytest.raises(Failed) as caught:
        undo(context, cut_over.STEP)
    assert caught.value.code == "live-update.cut-over.opened"
    assert pair.serving == {"surrogate"}


def test_a_source_that_was_restarted_while_its_workload_was_away_is_not_taken_for_undone() -> None:
    context, pair = made()
    drive(context, *FORWARD[:2])
    pair.restart("original")
    for _ in range(2):
        with pytest.raises(Failed) as caught:
            undo(context, cut_over.STEP)
        assert caught.value.code == "live-update.cut-over.restarted-while-away"
        assert "rm /etc/liveupdate-guard/away" in caught.value.remedy
        assert pair.phases["surrogate"] == "returned"
    pair.away.clear()
    pair.restart("original")
    undo(context, cut_over.STEP)
    assert pair.serving == {"original"}


class TestOpenInDoubt:
    """The target was told to open, and is silent."""

    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(open, "_HANDED_BACK", 0.0)
        monkeypatch.setattr(open, "_WORD", 0.1)

    def doubted(self, *, target: str, source: str, silent: bool = True) -> MemoryContext:
        context, pair = made()
        context.settings = replace(context.settings, surrogate=replace(context.settings.surrogate, open_within=0.0))
        drive(context, *FORWARD[:3])
        pair.phases |= {"surrogate": target, "original": source}
        pair.silent = {"surrogate"} if silent else set()
        context.spec = StepSpec("open", "open")
        return context

    @pytest.mark.parametrize(("target", "done"), [("opened", True), ("ready", False), ("returned", False)])
    def test_the_target_knows(self, target: str, done: bool) -> None:
        assert open.STEP.probe(self.doubted(target=target, source="granted", silent=False)).done is done

    @pytest.mark.parametrize(("source", "done"), [("opened", True), ("resumed", False)])
    def test_the_source_may_know(self, source: str, done: bool) -> None:
        assert open.STEP.probe(self.doubted(target="ready", source=source)).done is done

    def test_otherwise_nobody_guesses(self) -> None:
        with pytest.raises(Unknown) as caught:
            open.STEP.probe(self.doubted(target="ready", source="granted"))
        assert caught.value.code == "live-update.open.silent"

    @pytest.mark.parametrize("opened", [True, False])
    def test_the_disk_of_a_target_that_was_restarted_knows(self, opened: bool) -> None:
        context = self.doubted(target="ready", source="granted", silent=False)
        pair = context.guests["surrogate"].pair
        if opened:
            pair.own("surrogate", here=True)
        pair.restart("surrogate")
        assert open.STEP.probe(context).done is opened
        assert pair.serving == ({"surrogate"} if opened else set())

    def test_a_target_that_was_restarted_before_it_was_opened_is_given_up(self) -> None:
        context = self.doubted(target="ready", source="granted", silent=False)
        context.guests["surrogate"].pair.restart("surrogate")
        with pytest.raises(Failed) as caught:
            open.STEP.apply(context)
        assert caught.value.code == "live-update.open.window-passed"


def test_a_volume_that_only_one_server_may_have_goes_along_and_comes_back() -> None:
    context, pair = made(multiattach=False)
    drive(context, *FORWARD[:2])
    assert pair.world.volumes["data-volume"].servers == {pair.servers["surrogate"]}
    undo(context, *FORWARD[:2])
    assert pair.world.volumes["data-volume"].servers == {"original"}
    assert pair.serving == {"original"}
    assert [line.role for line in context.ledger.open() if line.kind == "attachment"] == []


def test_a_volume_that_somebody_detaches_on_its_way_back_comes_back_all_the_same() -> None:
    context, pair = made(multiattach=False)
    drive(context, *FORWARD[:2])
    moments = count()

    def taken_off(moment: str) -> None:
        if moment == "after attach_volume" and next(moments) == 0:
            del pair.world.attached["original"]["data-volume"]
            pair.world.update_volume("data-volume")

    pair.world.strike = taken_off
    undo(context, *FORWARD[:2])
    assert pair.world.volumes["data-volume"].servers == {"original"}
    assert next(moments) > 1


def test_a_volume_that_somebody_deletes_on_its_way_back_is_not_waited_for() -> None:
    context, pair = made(multiattach=False)
    drive(context, *FORWARD[:2])

    def deleted(moment: str) -> None:
        if moment == "after detach_volume":
            del pair.world.volumes["data-volume"]

    pair.world.strike = deleted
    with pytest.raises(Failed) as caught:
        cut_over.STEP.undo(context)
    assert caught.value.code == "live-update.volume.gone"


def test_a_source_that_was_restarted_before_it_let_go_has_its_volumes_back() -> None:
    context, pair = made(multiattach=False)
    drive(context, pre_copy.STEP)
    pair.world.strike = lambda moment: pair.restart("original") if moment == "after attach_volume" else None
    with pytest.raises(LiveUpdateError):
        drive(context, cut_over.STEP)
    pair.world.strike = lambda moment: None
    assert pair.world.volumes["data-volume"].servers == {pair.servers["surrogate"]}
    undo(context, *FORWARD[:2])
    assert pair.world.volumes["data-volume"].servers == {"original"}
    assert pair.serving == {"original"}
    assert not [line for line in context.ledger.open() if line.kind == "attachment"]


def crashes(context: MemoryContext, pair: Pair, number: int) -> None:
    pair.before = pair.world.strike = context.ledger.before = crash_after(number)


def alive(context: MemoryContext, pair: Pair) -> None:
    pair.before = pair.world.strike = context.ledger.before = lambda _: None


def each_crash(multiattach: bool, *, back: bool = False) -> Iterator[tuple[MemoryContext, Pair, int]]:
    """The moment after each crash that there can be in the four steps, and in which step it was."""
    for number in range(400):
        context, pair = made(multiattach=multiattach)
        if back:
            drive(context, *FORWARD)
        crashes(context, pair, number)
        done = 0
        try:
            for step in FORWARD:
                drive(context, step, back=back)
                done += 1
        except Crash:
            alive(context, pair)
            yield context, pair, done
        else:
            assert number > 10, "nothing that could crash"
            return


@ALL
def test_a_worker_that_dies_anywhere_is_followed_by_one_that_finishes(multiattach: bool) -> None:
    for context, pair, done in each_crash(multiattach):
        for step in FORWARD[done:]:
            context.spec = StepSpec(step.name, step.name)
            seen = step.probe(context)
            context.results[step.name] = seen.result if seen.done else step.apply(context)
        assert pair.serving == {"surrogate"}


@ALL
def test_a_worker_that_dies_before_the_pivot_is_followed_by_one_that_undoes(multiattach: bool) -> None:
    for context, pair, done in each_crash(multiattach):
        if pair.serving == {"surrogate"}:
            continue  # the pivot is passed: there is nothing to undo
        undo(context, *FORWARD[: done + 1])
        assert pair.serving == {"original"}
        assert pair.world.volumes["data-volume"].servers >= {"original"}


def test_a_moved_workload_moves_back_live_and_the_forward_steps_can_be_undone() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    drive(context, *FORWARD, back=True)
    assert pair.serving == {"original"}
    undo(context, pre_copy.STEP, cut_over.STEP, probe.STEP)
    assert pair.serving == {"original"}


def test_a_way_back_to_an_original_that_is_gone_is_refused() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    del pair.world.servers["original"]
    with pytest.raises(Failed) as caught:
        drive(context, pre_copy.STEP, back=True)
    assert (caught.value.code, caught.value.remedy) == ("live-update.pre-copy.original-gone", "confirm the update")
    assert pair.serving == {"surrogate"}


def test_an_original_that_was_stopped_when_the_last_way_back_failed_is_started_for_the_next() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    pair.world.servers["original"] = replace(pair.world.servers["original"], status="SHUTOFF")
    pair.restart("original")
    drive(context, *FORWARD, back=True)
    assert pair.world.servers["original"].status == "ACTIVE"
    assert pair.serving == {"original"}


@ALL
def test_a_worker_that_dies_on_the_way_back_is_followed_by_one_that_finishes(multiattach: bool) -> None:
    for context, pair, done in each_crash(multiattach, back=True):
        for step in FORWARD[done:]:
            context.spec = StepSpec(f"back.{step.name}", step.name, {"direction": "back"})
            seen = step.probe(context)
            context.results[context.spec.id] = seen.result if seen.done else step.apply(context)
        assert pair.serving == {"original"}
        undo(context, *FORWARD[:3])
        assert pair.serving == {"original"}
        assert not [line for line in context.ledger.open() if line.kind == "attachment" and not multiattach]


@ALL
def test_a_worker_that_dies_on_the_way_back_is_followed_by_one_that_undoes_it(multiattach: bool) -> None:
    for context, pair, done in each_crash(multiattach, back=True):
        if pair.serving == {"original"}:
            continue
        undo(context, *FORWARD[: done + 1], back=True)
        assert pair.serving == {"surrogate"}
        assert pair.servers["surrogate"] in pair.world.volumes["data-volume"].servers


def test_an_original_that_is_silent_on_the_way_back_is_stopped_and_the_job_can_go_on() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    drive(context, *FORWARD[:2], back=True)
    pair.silent = {"original"}
    undo(context, *FORWARD[:3], back=True)
    assert pair.serving == {"surrogate"}
    assert pair.stopped("original")


def test_a_failed_move_back_leaves_the_workload_on_the_surrogate() -> None:
    context, pair = made()
    drive(context, *FORWARD)
    pair.trouble = "sick"
    with pytest.raises(Failed):
        drive(context, *FORWARD, back=True)
    undo(context, *FORWARD[:3], back=True)
    assert pair.serving == {"surrogate"}
