"""``--wait``: shows a job's steps until it ends or waits for a person; a screen on a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

#: Nothing more happens by itself in these.
ENDED = frozenset({"succeeded", "undone", "cancelled", "undo_failed", "needs_attention"})
_MARKS = {"done": "✓", "applying": "▸", "undoing": "↶", "undone": "↶", "skipped": "–", "undo_failed": "✗"}


def wait(look: Callable[[], tuple[Any, list[dict[str, Any]]]], interval: float = 1.0) -> Any:
    """``look`` gives the job and its steps; returns the job at its end, or in hold for an operator's word."""
    console = Console(stderr=True)
    started, told = time.monotonic(), ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            job, steps = look()
            if console.is_terminal:
                live.update(_screen(job, steps, time.monotonic() - started), refresh=True)
            elif (line := _line(job)) != told:
                print(line, file=sys.stderr, flush=True)
                told = line
            if job.state in ENDED or _holds(job):
                return job
            time.sleep(interval)


def _holds(job: Any) -> bool:
    return bool(job.state == "waiting" and job.step == "hold")


def _line(job: Any) -> str:
    return f"{job.progress or 0:3d} %  {job.state}  {job.step or ''}  {job.reason or ''}".rstrip()


def _screen(job: Any, steps: list[dict[str, Any]], elapsed: float) -> Table:
    title = f"{job.method}: {job.state}, {job.progress or 0} %, {elapsed:.0f} s"
    table = Table(title=title, title_justify="left", show_header=False, caption=job.reason or None)
    for step in steps:
        seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
        table.add_row(_MARKS.get(step["state"], " "), step["id"], seconds)
    return table
