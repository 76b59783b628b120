"""Renews the leases of the jobs in hand, and lets the worker be seen.

A job whose lease cannot be renewed is told to stop at its next checkpoint."""

import logging
from collections.abc import Callable
from threading import Event, Lock, Thread

from sqlalchemy.exc import SQLAlchemyError

from liveupdate.engine.journal import Journal
from liveupdate.errors import LeaseLost

LOG = logging.getLogger(__name__)


class Heartbeat:
    """``interval`` seconds between beats: a third of the lease, so that one lost beat costs nothing.

    ``seen`` writes that this worker is there.
    """

    def __init__(self, interval: float, seen: Callable[[], None]) -> None:
        self._interval = interval
        self._seen = seen
        self._held: set[Journal] = set()
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._be_seen()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def hold(self, journal: Journal) -> None:
        with self._lock:
            self._held.add(journal)

    def drop(self, journal: Journal) -> None:
        with self._lock:
            self._held.discard(journal)

    def _be_seen(self) -> None:
        try:
            self._seen()
        except SQLAlchemyError as error:
            LOG.warning("cannot be seen: %s", type(error).__name__)

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            self._be_seen()
            with self._lock:
                held = tuple(self._held)
            for journal in held:
                try:
                    journal.renew()
                except LeaseLost:
                    # given back meanwhile, or another worker's now: whoever works on it learns that, and tells of it
                    self.drop(journal)
                except SQLAlchemyError as error:
                    # the database is away: the lease runs on; if it ends, the next fenced write says so
                    LOG.warning("cannot renew the lease of job %s: %s", journal.claim.job_id, type(error).__name__)
