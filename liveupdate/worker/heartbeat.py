"""Renews the leases of the jobs in hand, and lets the worker be seen.

A job whose lease cannot be renewed is told to stop at its next checkpoint."""

from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread

from sqlalchemy.exc import SQLAlchemyError

from liveupdate.engine.journal import Journal
from liveupdate.errors import LeaseLost
from liveupdate.worker.troubles import Troubles


class Heartbeat:
    """``interval`` seconds between beats: a third of the lease, so that one lost beat costs nothing.

    ``seen`` writes that this worker is there.
    """

    def __init__(self, interval: float, seen: Callable[[], None]) -> None:
        self._interval = interval
        self._seen = seen
        self._held: set[Journal] = set()
        self._lock = Lock()
        self._troubles = Troubles()
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
        with self._troubles.outlived("be seen"):
            self._seen()

    def _beat(self) -> None:
        while not self._stop.wait(self._interval):
            self._be_seen()
            with self._lock:
                held = tuple(self._held)
            if held:
                with self._troubles.outlived("renew leases"):
                    self._renew(held)

    def _renew(self, held: Sequence[Journal]) -> None:
        """All that can be; what kept the last of the others from it is raised."""
        failed: SQLAlchemyError | None = None
        for journal in held:
            try:
                journal.renew()
            except LeaseLost:
                # given back meanwhile, or another worker's now: whoever works on it learns that, and tells of it
                self.drop(journal)
            except SQLAlchemyError as error:
                # the database is away: the lease runs on; if it ends, the next fenced write says so
                failed = error
        if failed:
            raise failed
