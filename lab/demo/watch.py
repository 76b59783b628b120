"""One screen of live progress of a job, from the REST API."""

import time
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lab.demo import jobs

#: A step's state: how it is marked, in which style its line is.
_LOOK = {
    "done": ("✓", "green"),
    "applying": ("▸", "bold"),
    "undoing": ("↶", "bold yellow"),
    "undone": ("↶", "yellow"),
    "undo_failed": ("✗", "bold red"),
    "skipped": ("–", "dim"),
}
_ENDED = {"done", "undone", "undo_failed", "skipped"}
_WIDTH = 40


def until_done(console: Console, api: Any, job_id: str, interval: float = 1.0) -> str:
    """Show the job's steps until it ends, to a terminal all of them, to a file each once it has ended; its state."""
    follow = _live if console.is_terminal else _lines
    return follow(console, api, job_id, interval)


def _live(console: Console, api: Any, job_id: str, interval: float) -> str:
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            job = jobs.show(api, job_id)
            live.update(screen(job, list(jobs.steps(api, job_id).values()), datetime.now(UTC)))
            if job["state"] in jobs.ENDED:
                return str(job["state"])
            time.sleep(interval)


def _lines(console: Console, api: Any, job_id: str, interval: float) -> str:
    told: set[tuple[str, str]] = set()
    while True:
        job, now = jobs.show(api, job_id), datetime.now(UTC)
        for step in jobs.steps(api, job_id).values():
            event = (step["id"], step["state"])
            if step["state"] in _ENDED and event not in told:
                told.add(event)
                console.print(Text(f"{_LOOK[step['state']][0]} {step['id']:20} {_seconds(step, now):>8}"))
        if job["state"] in jobs.ENDED:
            if job["reason"]:
                console.print(Text(job["reason"]))
            return str(job["state"])
        time.sleep(interval)


def screen(job: dict[str, Any], steps: list[dict[str, Any]], now: datetime) -> Group:
    """The job as the API tells it, a bar, a line for each step with its time so far, and why it waits or ended."""
    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=100, completed=job["progress"], width=_WIDTH)
    head.add_row(Text(f"{job['method']}:"), bar, f"{job['progress']} %", job["state"], _clock(job, now))
    table = Table.grid(padding=(0, 1))
    for step in steps:
        mark, style = _LOOK.get(step["state"], (" ", "dim"))
        table.add_row(mark, step["id"], Text(_seconds(step, now), justify="right"), style=style)
    return Group(head, table, Text(job["reason"] or "", style="yellow"))


def _clock(job: dict[str, Any], now: datetime) -> str:
    seconds = int(_since(job["created_at"], now))
    return f"{seconds // 60}:{seconds % 60:02}"


def _seconds(step: dict[str, Any], now: datetime) -> str:
    if step["seconds"] is not None:
        return f"{step['seconds']:.1f} s"
    return f"{_since(step['started_at'], now):.0f} s" if step["started_at"] else ""


def _since(moment: str, now: datetime) -> float:
    return max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
