"""What a person sees while a job runs."""

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from lab.demo import watch

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
STEPS: list[dict[str, Any]] = [
    {"id": "preflight", "state": "done", "seconds": 34.19, "started_at": BEGAN.isoformat()},
    {"id": "cut_over", "state": "applying", "seconds": None, "started_at": (BEGAN + timedelta(seconds=54)).isoformat()},
    {"id": "open", "state": "pending", "seconds": None, "started_at": None},
]


def job(**changes: Any) -> dict[str, Any]:
    told = {"method": "surrogate", "state": "running", "progress": 44, "reason": "", "created_at": BEGAN.isoformat()}
    return told | changes


def shown(told: dict[str, Any], steps: list[dict[str, Any]], after: float = 66) -> list[str]:
    console = Console(width=80, record=True, file=StringIO())
    console.print(watch.screen(told, steps, BEGAN + timedelta(seconds=after)))
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_method_percent_state_and_elapsed_time_stand_in_one_line() -> None:
    head = shown(job(), STEPS)[0]
    assert head.startswith("surrogate:")
    assert head.endswith("44 % running 1:06")


def test_each_step_tells_its_state_and_how_long_it_took_or_takes() -> None:
    lines = [line.split() for line in shown(job(), STEPS)[1:4]]
    assert lines == [["✓", "preflight", "34.2", "s"], ["▸", "cut_over", "12", "s"], ["open"]]


@pytest.mark.parametrize("state", ["undoing", "undone", "undo_failed", "skipped"])
def test_a_step_that_went_another_way_is_marked(state: str) -> None:
    assert shown(job(), [STEPS[0] | {"state": state}])[1].split()[0] not in ("✓", "preflight")


def test_why_it_waits_stands_below_as_it_was_told() -> None:
    assert shown(job(reason="waits for [the] surrogate"), STEPS)[-1] == "waits for [the] surrogate"


def test_a_clock_that_is_behind_the_services_shows_no_negative_time() -> None:
    assert shown(job(), STEPS, after=-5)[0].endswith("0:00")


class Api:
    """Tells of one more step done each time it is asked for the job."""

    def __init__(self, states: list[str], reason: str = "") -> None:
        self.states, self.reason = iter(states), reason

    def get(self, path: str) -> "Api":
        self.path = path
        return self

    def json(self) -> dict[str, Any]:
        return (
            {"steps": STEPS}
            if self.path.endswith("/steps")
            else {"job": job(state=next(self.states), reason=self.reason)}
        )


@pytest.mark.parametrize("end", ["succeeded", "undone", "cancelled", "undo_failed", "needs_attention"])
def test_it_watches_until_the_end_whatever_the_end(end: str) -> None:
    api = Api(["queued", "running", "waiting", end])
    assert watch.until_done(Console(quiet=True), api, "1", interval=0) == end


def test_to_a_file_each_step_is_told_once_it_has_ended_and_at_last_why_the_job_did() -> None:
    file = StringIO()
    api = Api(["running", "running", "undone"], reason="the surrogate died")
    watch.until_done(Console(file=file), api, "1", interval=0)
    assert [line.split() for line in file.getvalue().splitlines()] == [
        ["✓", "preflight", "34.2", "s"],
        ["the", "surrogate", "died"],
    ]
