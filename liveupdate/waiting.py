"""Who waits long asks now and then whether it is still wanted: a cancel, or a lost lease, ends the wait.

The engine says whom to ask; drivers ask wherever they wait for a guest. What waits in a step's apply may end at any
point, as if the worker had died there: the step's undo takes back whatever happened.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

#: Seconds between two questions of one thread.
INTERVAL = 3.0


@dataclass
class _Asking:
    ask: Callable[[], None]
    #: By time.monotonic().
    due: float


_asking: ContextVar[_Asking | None] = ContextVar("liveupdate_waiting", default=None)


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """Whatever waits inside, in this thread, calls ``ask``, which raises what is to end it."""
    token = _asking.set(_Asking(ask, time.monotonic() + INTERVAL))
    try:
        yield
    finally:
        _asking.reset(token)


def look() -> None:
    """To be called while waiting, as often as one likes."""
    asking = _asking.get()
    if asking is not None and time.monotonic() >= asking.due:
        asking.due = time.monotonic() + INTERVAL
        asking.ask()
