"""The owner's word, in the server's metadata, goes before the request."""

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import intent

ACTION, BUDGET = "liveupdate:action", "liveupdate:blackout_budget"


@pytest.mark.parametrize(
    ("metadata", "found"),
    [
        ({}, {}),
        ({ACTION: "move"}, {}),
        ({ACTION: "restart", BUDGET: "2.5"}, {}),
        ({ACTION: "never"}, {"owner.never": "block"}),
        ({ACTION: "notify"}, {"owner.notify": "warn"}),
        ({ACTION: "Never"}, {"owner.action": "block"}),
        ({ACTION: ""}, {"owner.action": "block"}),
        ({BUDGET: "soon"}, {"owner.budget": "block"}),
        ({BUDGET: "-1"}, {"owner.budget": "block"}),
        ({BUDGET: "nan"}, {"owner.budget": "block"}),
        ({BUDGET: "inf"}, {"owner.budget": "block"}),
    ],
)
def test_what_stands_in_the_way(metadata: dict[str, str], found: dict[str, str]) -> None:
    assert {f.code: str(f.verdict) for f in intent.judge(metadata) if f.verdict != Verdict.OK} == found


@pytest.mark.parametrize(
    ("owner", "request_", "allowed"),
    [(None, None, None), ("5", None, 5.0), ("5", 3, 3.0), ("5", 30, 5.0), (None, 30, 30.0)],
)
def test_the_smaller_budget_counts(owner: str | None, request_: float | None, allowed: float | None) -> None:
    metadata = {} if owner is None else {BUDGET: owner}
    assert intent.budget(metadata, {"blackout_budget_seconds": request_}) == allowed


def test_restart_means_that_nothing_is_moved() -> None:
    wanted = [{"name": "a.service", "handover": "move"}, {"name": "b.service", "handover": "leave"}]
    asked = intent.asked({ACTION: "restart"}, ["a.service", "c.service"], wanted)
    assert {unit["name"]: unit["handover"] for unit in asked} == {
        "a.service": "restart",
        "b.service": "leave",
        "c.service": "restart",
    }
    assert intent.asked({}, ["a.service"], wanted) == wanted


def test_move_means_that_nothing_is_restarted() -> None:
    decided = [
        {"name": "a.service", "handover": "move", "reason": ""},
        {"name": "b.service", "handover": "restart", "reason": "it uses a device"},
    ]
    found = intent.not_moved({ACTION: "move"}, decided)
    assert [(f.subject, str(f.verdict)) for f in found] == [("a.service", "ok"), ("b.service", "block")]
    assert "it uses a device" in found[1].detail
    assert intent.not_moved({ACTION: "restart"}, decided) == []


def test_a_tag_says_the_same_as_metadata_which_goes_before_it() -> None:
    tagged = {
        "metadata": {},
        "tags": ["liveupdate:action=never", "liveupdate:blackout_budget=2.5", "liveupdate:j:role"],
    }
    assert intent.words(tagged) == {intent.ACTION: "never", intent.BUDGET: "2.5"}
    both = {**tagged, "metadata": {intent.ACTION: "move", "other": "x"}}
    assert intent.words(both) == {intent.ACTION: "move", intent.BUDGET: "2.5", "other": "x"}


def test_tags_that_contradict_each_other_block() -> None:
    said = intent.words({"tags": ["liveupdate:action=move", "liveupdate:action=never"]})
    [blocked] = [f for f in intent.judge(said) if f.verdict == Verdict.BLOCK]
    assert blocked.code == "owner.action"


def test_the_journal_of_an_older_release_has_no_tags() -> None:
    assert intent.words({}) == {}
    assert intent.words({"metadata": {"a": "b"}}) == {"a": "b"}
