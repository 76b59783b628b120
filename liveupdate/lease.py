"""Whether this thread may still act for its job. Drivers ask right before each word that they send out.

The database refuses what a worker writes after its lease, but clouds and guests know nothing of leases: a worker that
was frozen past it and wakes in front of a call must not make that call. So each worker knows by a clock of its own,
one that goes on while it stands still, how long nobody else can have its job.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from liveupdate.errors import LeaseLost


def now() -> float:
    """Seconds by a clock that no one sets, and that goes on while the process, or the machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass
class Lease:
    """``until``: by ``now()``; counted from before the database was asked, so it is over here before it is there."""

    job_id: str
    until: float


_held: ContextVar[Lease | None] = ContextVar("liveupdate_lease", default=None)


@contextmanager
def held(lease: Lease | None) -> Iterator[None]:
    """What this thread does inside, it does by the right of ``lease``; None: for no job."""
    token = _held.set(lease)
    try:
        yield
    finally:
        _held.reset(token)


def require() -> None:
    """Raises LeaseLost if this thread acts for a job that may be somebody else's by now."""
    lease = _held.get()
    if lease is not None and now() >= lease.until:
        raise LeaseLost(lease.job_id)
