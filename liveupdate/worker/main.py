"""The worker's loop: claim what is due, drive it in a thread, watch and reap in between."""

import logging
import os
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import BoundedSemaphore, Event, Lock, Thread

from sqlalchemy import Engine

from liveupdate import __version__
from liveupdate.db import workers
from liveupdate.db.session import AWAY, write
from liveupdate.engine.claim import Claimed, claim_next
from liveupdate.engine.context import Surroundings
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import Runner
from liveupdate.errors import LeaseLost
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.steps.protocol import Step
from liveupdate.worker.follow_ups import begin_captures
from liveupdate.worker.heartbeat import Heartbeat
from liveupdate.worker.reaper import delete_trusts, end_fallbacks
from liveupdate.worker.troubles import Troubles, why
from liveupdate.worker.watcher import Look, wake_changed

LOG = logging.getLogger(__name__)


class Worker:
    """One worker process. ``nudged`` is set by whoever hears that there may be work (engine rule 9)."""

    def __init__(
        self,
        engine: Engine,
        settings: WorkerSettings,
        surroundings: Surroundings,
        steps: Mapping[str, Step],
        *,
        look: Look,
        delete_trust: Callable[[str], None],
        forget: Callable[[str], None],
    ) -> None:
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.nudged = Event()
        self._engine = engine
        self._settings = settings
        self._stopping = Event()
        self._runner = Runner(surroundings, steps, self._stopping)
        self._look = look
        self._delete_trust = delete_trust
        self._forget = forget
        #: How many threads have a job in hand, and who may change that.
        self._in_hand: Counter[str] = Counter()
        self._hands = Lock()
        self._troubles = Troubles()
        self._heartbeat = Heartbeat(settings.lease / 3, self._be_seen)
        self._free = BoundedSemaphore(settings.threads)
        self._threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="job")

    def run(self) -> None:
        """Work until ``stop``; then finish or park what is in hand and give the leases back."""
        LOG.info("worker %s starts", self.owner)
        self._heartbeat.start()
        watch = Thread(target=self._watch, name="watcher")
        watch.start()
        while not self._stopping.is_set():
            if not self._claim_one():
                self.nudged.wait(self._settings.poll_interval)
                self.nudged.clear()
        LOG.info("worker %s stops", self.owner)
        self._threads.shutdown()
        watch.join()
        self._heartbeat.stop()
        with self._troubles.outlived("leave"):
            write(self._engine, lambda connection: workers.gone(connection, self.owner))
        LOG.info("worker %s has stopped", self.owner)

    def stop(self) -> None:
        """Take no new job; ``run`` returns once the steps under way have ended. It takes locks: no signal handler."""
        self._stopping.set()
        self.nudged.set()

    def _claim_one(self) -> bool:
        """Claim and start one job if a thread is free; False if there is nothing to do now."""
        if not self._free.acquire(timeout=self._settings.poll_interval):
            return False
        claimed = None
        try:
            with self._troubles.outlived("look for jobs"):
                claimed = claim_next(self._engine, self.owner, self._settings.lease)
        finally:
            if claimed is None:
                self._free.release()
        if claimed is None:
            return False
        self._threads.submit(self._drive, claimed)
        return True

    def _drive(self, claimed: Claimed) -> None:
        journal = Journal(self._engine, claimed.claim, self._settings.lease)
        with self._hands:
            self._in_hand[claimed.claim.job_id] += 1
        self._heartbeat.hold(journal)
        try:
            self._runner.run(journal, claimed)
        except LeaseLost:
            LOG.warning("job %s belongs to another worker now", claimed.claim.job_id)
        except AWAY as error:
            LOG.warning("job %s: %s", claimed.claim.job_id, why(error))
            self._give_back(journal)
        except Exception:
            # the lease runs out, and the job is claimed again: by then counted as a death
            LOG.exception("job %s fell out of the engine", claimed.claim.job_id)
        finally:
            self._heartbeat.drop(journal)
            self._put_down(claimed.claim.job_id)
            self._free.release()
            self.nudged.set()

    def _put_down(self, job_id: str) -> None:
        """A thread may still be in a step when another takes the job over, its lease being over: the last forgets."""
        with self._hands:
            self._in_hand[job_id] -= 1
            if not self._in_hand[job_id]:
                del self._in_hand[job_id]
                self._forget(job_id)

    def _give_back(self, journal: Journal) -> None:
        """So that the job goes on once the database is there again, and not only when its lease is over."""
        while not self._stopping.wait(self._settings.poll_interval):
            with suppress(LeaseLost, *AWAY):
                journal.release()
                return
            if journal.claim.lost.is_set():
                return

    def _watch(self) -> None:
        tended: Mapping[str, Callable[[], object]] = {
            "watch": self._wake_changed,
            "begin captures": self._begin_captures,
            "delete trusts": lambda: delete_trusts(self._engine, self._delete_trust),
            "end fallbacks": self._end_fallbacks,
        }
        while not self._stopping.wait(self._settings.poll_interval):
            for what, work in tended.items():
                with self._troubles.outlived(what):
                    work()

    def _be_seen(self) -> None:
        write(self._engine, lambda connection: workers.seen(connection, self.owner, __version__))

    def _wake_changed(self) -> None:
        if wake_changed(self._engine, self._look):
            self.nudged.set()

    def _begin_captures(self) -> None:
        if begin_captures(self._engine):
            self.nudged.set()

    def _end_fallbacks(self) -> None:
        if end_fallbacks(self._engine):
            self.nudged.set()
