"""How much one project may ask, and how much a request may carry."""

import time
from collections.abc import Callable
from math import ceil
from threading import Lock

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from liveupdate.api.problems import TooMany
from liveupdate.errors import Refused

#: Projects that are remembered before those are forgotten that have not asked lately.
_MANY = 10_000


class TooLarge(Refused):
    status = 413
    default_code = "live-update.request.too-large"


class RateLimit:
    """A bucket per project in this process: full it holds a minute's requests, and it fills up as time passes."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        #: project → (requests that it has left, when that was so)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = Lock()

    def take(self, project_id: str) -> None:
        """Raises TooMany."""
        if not self._per_minute:
            return
        with self._lock:
            now = self._clock()
            left = self._left(project_id, now)
            if left >= 1:
                self._buckets[project_id] = (left - 1, now)
                if len(self._buckets) > _MANY:
                    self._buckets = {p: b for p, b in self._buckets.items() if self._left(p, now) < self._per_minute}
                return
        raise TooMany(
            f"this project has asked more than {self._per_minute} times a minute",
            code="live-update.request.rate-limit",
            remedy="wait as long as Retry-After says; follow events instead of asking again and again",
            retry_after=ceil((1 - left) * 60 / self._per_minute),
        )

    def _left(self, project_id: str, now: float) -> float:
        left, since = self._buckets.get(project_id, (float(self._per_minute), now))
        return min(float(self._per_minute), left + (now - since) * self._per_minute / 60)


async def whole_body(headers: Headers, receive: Receive, limit: int) -> Receive:
    """Read the request's body, and hand it out again. Raises TooLarge for more than ``limit`` bytes."""
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        raise _too_large(limit)
    messages: list[Message] = []
    size, more = 0, True
    while more:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if size > limit:
            raise _too_large(limit)
        more = bool(message.get("more_body", False))

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return again


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"a request's body may have {limit} bytes", remedy="ask for less at a time")
