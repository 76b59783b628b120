"""``--wait``, ``job watch``: a job's steps until it ends or waits for a person; a screen on a terminal, else lines.

A thread listens to the job's events; what is shown is read anew when one comes.
"""

import sys
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

#: Nothing more happens by itself in these.
ENDED = frozenset({"succeeded", "undone", "cancelled", "undo_failed", "needs_attention"})
_MARKS = {"done": "✓", "applying": "▸", "undoing": "↶", "undone": "↶", "skipped": "–", "undo_failed": "✗"}
#: Seconds between looks where no event comes.
_LOOK = 10.0

#: A job or preview, and the answer of …/steps (for a preview: {"steps": []}).
Look = Callable[[], tuple[Any, dict[str, Any]]]


def wait_for_job(service: Any, job_id: str) -> Any:
    """The job at its end, or in hold for an operator's word."""
    changed = Event()
    Thread(target=_listen, args=(service, job_id, changed), name="events", daemon=True).start()

    def look() -> tuple[Any, dict[str, Any]]:
        return service.get_job(job_id), service.job_steps(job_id)

    return _show(look, changed, _LOOK)


def wait_for_preview(service: Any, preview_id: str) -> Any:
    return _show(lambda: (service.get_preview(preview_id), {"steps": []}), Event(), 1.0)


def _listen(service: Any, job_id: str, changed: Event) -> None:
    try:
        for _ in service.watch_job(job_id):
            changed.set()
    except Exception:
        # the looks go on, and tell what is wrong
        changed.set()


def _show(look: Look, changed: Event, interval: float) -> Any:
    console = Console(stderr=True)
    began, told = time.monotonic(), ""
    with Live(console=console, transient=True, auto_refresh=False) as live:
        while True:
            changed.clear()
            (job, steps), looked = look(), time.monotonic()
            if not console.is_terminal and (line := _line(job, steps)) != told:
                print(line, file=sys.stderr, flush=True)
                told = line
            if job.state in ENDED or _holds(job):
                return job
            while not changed.is_set() and (age := time.monotonic() - looked) < interval:
                if console.is_terminal:
                    live.update(_screen(job, steps, time.monotonic() - began, age), refresh=True)
                changed.wait(min(1.0, interval))


def _holds(job: Any) -> bool:
    return bool(job.state == "waiting" and job.step == "hold" and not job.decision)


def _line(job: Any, steps: dict[str, Any]) -> str:
    return f"{job.progress or 0:3d} %  {job.state}  {job.step or ''}  {_blackout(steps)}  {job.reason or ''}".rstrip()


def _screen(job: Any, steps: dict[str, Any], elapsed: float, age: float) -> Table:
    """``age``: seconds since ``job`` and ``steps`` were read."""
    left = steps.get("remaining_seconds")
    eta = f", about {_clock(max(0, left - age))} left" if left is not None else ""
    title = f"{job.method}: {job.state}, {job.progress or 0} %, {_clock(elapsed)}{eta}"
    # a reason is text, whatever marks are in it
    caption = Text("  ".join(part for part in (_blackout(steps), job.reason or "") if part))
    table = Table(title=title, title_justify="left", show_header=False, caption=caption or None)
    for step in steps["steps"]:
        table.add_row(_MARKS.get(step["state"], " "), step["id"], _took(step))
    table.add_row("", ProgressBar(total=100, completed=job.progress or 0, width=30), "")
    return table


def _took(step: dict[str, Any]) -> str:
    if step["seconds"] is not None:
        return f"{step['seconds']:.1f} s"
    return f"(about {step['expected_seconds']:.0f} s)" if step.get("expected_seconds") else ""


def _blackout(steps: dict[str, Any]) -> str:
    told = steps.get("blackout_ms")
    return "" if told is None else f"blackout {told / 1000:.2f} s"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
