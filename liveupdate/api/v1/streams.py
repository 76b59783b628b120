"""A job's events as they happen: server-sent events, as the HTML standard has them.

Within one job ids grow in the order in which events become visible: who writes one holds the job's row. So "after this
id" misses nothing and repeats nothing, whichever process answers. A stream that waits holds no thread.
"""

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from threading import Lock

from anyio import sleep, to_thread
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine
from starlette.types import Receive, Scope, Send

from liveupdate.api.problems import TooMany
from liveupdate.api.v1 import views
from liveupdate.db import events, jobs
from liveupdate.db.session import read
from liveupdate.model import Event
from liveupdate.states import FINAL

MEDIA_TYPE = "text/event-stream"
#: Seconds between looks, and between signs of life.
_INTERVAL, _HEARTBEAT = 1.0, 15.0
#: Seconds until a stream ends, for its client to come again with a token that is still valid.
_LASTS = 900.0
_PAGE = 200


class Streams:
    """The streams of this process, at most ``limit`` at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._open = 0
        self._lock = Lock()

    def open(self, engine: Engine, job_id: str, after: int) -> StreamingResponse:
        """Raises TooMany."""
        with self._lock:
            if self._open >= self._limit:
                raise TooMany(
                    f"{self._open} of {self._limit} streams of events are open here",
                    code="live-update.events.too-many-streams",
                    remedy="come again later, or read the events page by page",
                    retry_after=10,
                )
            self._open += 1
        return _Stream(_told(engine, job_id, after), self._close)

    def _close(self) -> None:
        with self._lock:
            self._open -= 1


class _Stream(StreamingResponse):
    """``close`` is called once, however it ends: also if its client has gone before the first event."""

    def __init__(self, told: AsyncIterator[str], close: Callable[[], None]) -> None:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(told, media_type=MEDIA_TYPE, headers=headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


async def _told(engine: Engine, job_id: str, after: int) -> AsyncIterator[str]:
    end, alive = time.monotonic() + _LASTS, time.monotonic()
    yield "retry: 1000\n\n"
    while True:
        found, ended = await to_thread.run_sync(_look, engine, job_id, after)
        for event in found:
            after = event.id
            yield _frame(event)
        now = time.monotonic()
        if found:
            alive = now
        elif ended or now > end:
            return
        elif now - alive >= _HEARTBEAT:
            alive = now
            yield ": alive\n\n"
        if len(found) < _PAGE:
            await sleep(_INTERVAL)


def ended(engine: Engine, job_id: str, after: int) -> bool:
    """Whether nothing will ever be told after this event."""
    found, over = _look(engine, job_id, after)
    return over and not found


def _look(engine: Engine, job_id: str, after: int) -> tuple[Sequence[Event], bool]:
    with read(engine) as connection:
        # first the state: what is written together with the end is then seen, too
        over = jobs.get(connection, job_id).state in FINAL
        return events.of_job(connection, job_id, after=after, limit=_PAGE), over


def _frame(event: Event) -> str:
    return f"id: {event.id}\nevent: {event.type}\ndata: {json.dumps(views.event(event))}\n\n"
