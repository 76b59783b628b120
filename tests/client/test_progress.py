"""What ``--wait`` and ``job watch`` show on a terminal."""

import io
import warnings
from types import SimpleNamespace
from typing import Any

from rich.console import Console

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from liveupdate.osc.v1 import progress


def screen(steps: dict[str, Any], **changes: Any) -> str:
    job = SimpleNamespace(**{"method": "surrogate", "state": "running", "progress": 40, "reason": "", **changes})
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(progress._screen(job, steps, elapsed=65.0, age=2.0))
    told: str = console.file.getvalue()  # type: ignore[attr-defined]
    return told


def step(name: str, state: str, seconds: float | None = None, expected: float | None = None) -> dict[str, Any]:
    return {"id": name, "state": state, "seconds": seconds, "expected_seconds": expected}


def test_steps_percent_time_left_and_blackout_are_shown() -> None:
    steps = [step("mirror", "done", 12.34), step("update", "applying", None, 60.0), step("open", "pending")]
    told = screen({"steps": steps, "remaining_seconds": 92.0, "blackout_ms": 5880}, reason="waits for the packages")
    assert "surrogate: running, 40 %, 1:05, about 1:30 left" in told
    assert "blackout 5.88 s  waits for the packages" in told
    lines = told.splitlines()
    assert any("✓" in line and "mirror" in line and "12.3 s" in line for line in lines)
    assert any("▸" in line and "update" in line and "(about 60 s)" in line for line in lines)


def test_what_is_not_known_is_not_made_up() -> None:
    told = screen({"steps": [step("mirror", "applying")], "remaining_seconds": None, "blackout_ms": None})
    assert "left" not in told
    assert "blackout" not in told


def test_a_reason_is_no_markup() -> None:
    told = screen({"steps": [], "blackout_ms": None}, reason="E: [/red] [bold]no[/bold] room")
    assert "E: [/red] [bold]no[/bold] room" in told
