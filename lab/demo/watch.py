"""One screen of live progress of a job, from the REST API."""

import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

_MARKS = {"done": "✓", "applying": "▸", "undoing": "↶", "undone": "↶", "skipped": "–", "undo_failed": "✗"}
_ENDED = {"succeeded", "undone", "cancelled", "undo_failed", "needs_attention"}


def until_done(console: Console, api: Any, job_id: str, interval: float = 1.0) -> str:
    """Show the job's steps until it ends or waits for a person; return its state."""
    started = time.monotonic()
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        while True:
            job = api.get(f"/v1/jobs/{job_id}").json()["job"]
            steps = api.get(f"/v1/jobs/{job_id}/steps").json()["steps"]
            live.update(_screen(job, steps, time.monotonic() - started))
            if job["state"] in _ENDED:
                return str(job["state"])
            time.sleep(interval)


def _screen(job: dict[str, Any], steps: list[dict[str, Any]], elapsed: float) -> Table:
    title = f"{job['method']}: {job['state']}, {job['progress']} %, {elapsed:.0f} s"
    table = Table(title=title, title_justify="left", show_header=False, caption=job["reason"] or None)
    for step in steps:
        seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
        table.add_row(_MARKS.get(step["state"], " "), step["id"], seconds)
    return table
