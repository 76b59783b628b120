"""The course of a job, as a table: journal in, next action out."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from liveupdate.engine import course
from liveupdate.model import Job, StepRow
from liveupdate.states import JobState, StepState
from liveupdate.testing.jobs import PLAN, accept, look

#: A Wednesday.
NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def job(sqlite: Engine) -> Job:
    return replace(look(sqlite, accept(sqlite))[0], state=JobState.RUNNING)


def rows(states: str, back: str = "") -> list[StepRow]:
    """One letter per step: p(ending) a(pplying) d(one) u(ndone) s(kipped)."""
    letters = {
        "p": StepState.PENDING,
        "a": StepState.APPLYING,
        "d": StepState.DONE,
        "u": StepState.UNDONE,
        "s": StepState.SKIPPED,
    }
    specs = [*zip(PLAN.steps, states, strict=True), *zip(PLAN.back, back, strict=False)]
    return [
        StepRow("job", number, spec, letters[letter], 0, {}, {}, None, None, None)
        for number, (spec, letter) in enumerate(specs)
    ]


def target(action: course.Action) -> str:
    return action.row.spec.id if isinstance(action, course.Apply | course.Undo) else type(action).__name__


@pytest.mark.parametrize(
    ("states", "back", "expected"),
    [
        ("pppppp", "", "prepare"),
        ("dapppp", "", "copy"),
        ("dddddd", "", "End"),
        ("ddddap", "", "hold"),
        ("ddddap", "ppp", "back.copy"),
        ("ddddap", "dap", "back.switch"),
        ("ddddap", "ddd", "TurnBack"),
        ("ddddap", "uus", "hold"),
    ],
)
def test_forward(job: Job, states: str, back: str, expected: str) -> None:
    assert target(course.next_action(job, rows(states, back), NOW)) == expected


@pytest.mark.parametrize(
    ("states", "expected"), [("dddppp", "TurnBack"), ("dddapp", "open"), ("ddddap", "hold"), ("dddddp", "tidy")]
)
def test_cancel_counts_until_the_pivot_may_have_happened(job: Job, states: str, expected: str) -> None:
    assert target(course.next_action(replace(job, cancel_requested=True), rows(states), NOW)) == expected


@pytest.mark.parametrize(
    ("states", "expected"), [("dddppp", "open"), ("ddddap", "MoveBack"), ("dddddp", "MoveBack"), ("ddddda", "tidy")]
)
def test_rollback_counts_between_the_pivot_and_the_release(job: Job, states: str, expected: str) -> None:
    assert target(course.next_action(replace(job, decision="rollback"), rows(states), NOW)) == expected


@pytest.mark.parametrize(
    ("outcome", "states", "back", "expected"),
    [
        ("undone", "ddappp", "", "switch"),
        ("undone", "duuppp", "", "prepare"),
        ("cancelled", "uuuppp", "", "End"),
        ("hold", "ddddap", "dap", "back.switch"),
        ("hold", "ddddap", "uup", "HoldAgain"),
        ("undone", "ddddap", "ddd", "hold"),
    ],
)
def test_back(job: Job, outcome: str, states: str, back: str, expected: str) -> None:
    undoing = replace(job, state=JobState.UNDOING, outcome=outcome)
    assert target(course.next_action(undoing, rows(states, back), NOW)) == expected


@pytest.mark.parametrize(
    ("states", "back", "failed", "expected"),
    [
        ("ddappp", "", 2, "undone"),
        ("dddapp", "", 3, "undone"),
        ("ddddda", "", 5, None),
        ("ddddap", "dap", 7, "hold"),
        ("ddddap", "dda", 8, "hold"),
    ],
)
def test_what_a_failure_leads_to(job: Job, states: str, back: str, failed: int, expected: str | None) -> None:
    journal = rows(states, back)
    assert course.undo_after_failure(job, journal, journal[failed]) == expected
    assert course.undo_after_failure(job, journal, journal[failed], lost=True) == "undone"


HOUR = timedelta(hours=1)
TOGETHER = replace(PLAN, together=("copy", "switch", "open"))


@pytest.mark.parametrize(
    ("states", "changes", "expected"),
    [
        ("pppppp", {"approval": "needed"}, "Wait"),
        ("pppppp", {"approval": "given"}, "prepare"),
        ("pppppp", {"not_before": NOW + HOUR}, "Wait"),
        ("pppppp", {"not_before": NOW - HOUR}, "prepare"),
        ("pppppp", {"window": "11:00-13:00"}, "prepare"),
        ("pppppp", {"window": "14:00-16:00"}, "Wait"),
        # it began in its window, and that is over before the workload is touched
        ("dppppp", {"window": "14:00-16:00"}, "Wait"),
        ("ddpppp", {"window": "14:00-16:00"}, "switch"),
        ("pppppp", {"paused": True}, "Wait"),
        ("dppppp", {"paused": True}, "Wait"),
        ("dapppp", {"paused": True}, "copy"),
        ("ddpppp", {"paused": True}, "switch"),
        ("dddppp", {"paused": True}, "open"),
        ("ddddpp", {"paused": True}, "Wait"),
        ("ddpppp", {"paused": True, "cancel_requested": True}, "TurnBack"),
        ("ddpppp", {"deadline": NOW}, "TurnBack"),
        ("ddpppp", {"deadline": NOW + HOUR}, "switch"),
        ("dddapp", {"deadline": NOW}, "open"),
        ("ddddsp", {"paused": False}, "tidy"),
    ],
)
def test_what_a_job_waits_for(job: Job, states: str, changes: dict[str, object], expected: str) -> None:
    waiting = replace(job, plan=TOGETHER, **changes)  # type: ignore[arg-type]
    assert target(course.next_action(waiting, rows(states), NOW)) == expected


def test_a_job_with_open_lines_in_its_ledger_is_swept_before_it_ends(job: Job) -> None:
    undone = replace(job, state=JobState.UNDOING, outcome="undone")
    assert course.next_action(undone, rows("uuuppp"), NOW, leftovers=True) == course.Sweep()
    assert target(course.next_action(undone, rows("uudppp"), NOW, leftovers=True)) == "switch"
