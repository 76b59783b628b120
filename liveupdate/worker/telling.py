"""Tells the world what happened: the one place where events become notifications.

A thread beside the jobs, which never wait for it. It reads the outbox (db/deliveries.py): what a crash, or a receiver
that is away, has kept from being told is told later, by whichever worker comes to it.
"""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from liveupdate.db import deliveries
from liveupdate.db.deliveries import Batch
from liveupdate.db.session import read, write
from liveupdate.errors import StoreError
from liveupdate.messaging import notifications
from liveupdate.messaging.channels import Channel, Undelivered
from liveupdate.model import Happening
from liveupdate.worker.troubles import Troubles, why

LOG = logging.getLogger(__name__)

#: Receivers that one worker tells at the same time.
_THREADS = 4
#: Seconds that a receiver is claimed for, and after which a worker lets others have their turn.
_CLAIM, _TURN = 90.0, 20.0


class Teller:
    """``heard`` is given every event of the deployment once, by whichever worker: for the figures."""

    def __init__(
        self, engine: Engine, channels: Sequence[Channel], interval: float, heard: Callable[[Happening], None]
    ) -> None:
        self._engine = engine
        self._channels = channels
        self._interval = interval
        self._heard = heard
        self._stopping = Event()
        self._troubles = Troubles()
        self._thread = Thread(target=self._run, name="teller")
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="teller")
        self._busy: dict[str, Future[None]] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns once what is being sent just now is sent, or has run into its time-out."""
        self._stopping.set()
        self._thread.join()
        self._pool.shutdown()

    def _run(self) -> None:
        while not self._stopping.wait(self._interval):
            with self._troubles.outlived("look for what is to be told"):
                self.fan_out()
                self._serve_due()

    def fan_out(self) -> None:
        """Queue every event that nobody has looked at yet."""
        while not self._stopping.is_set():
            try:
                found = write(self._engine, lambda connection: deliveries.fan_out(connection, self._receivers))
            except StoreError:
                return
            for happening in found:
                self._heard(happening)
            if not found:
                return

    def _receivers(self, happening: Happening) -> Sequence[str]:
        note = notifications.of(happening)
        if note is None:
            return ()
        return [r for channel in self._channels for r in channel.receivers(happening.job, note)]

    def _serve_due(self) -> None:
        with read(self._engine) as connection:
            waiting = deliveries.due(connection)
        self._busy = {receiver: future for receiver, future in self._busy.items() if not future.done()}
        for receiver in waiting:
            if receiver not in self._busy and len(self._busy) < _THREADS:
                self._busy[receiver] = self._pool.submit(self._serve, receiver)

    def _serve(self, receiver: str) -> None:
        try:
            self.serve(receiver)
        except SQLAlchemyError as error:
            # the claim runs out, and another comes to it
            LOG.warning("cannot tell %s: %s", receiver, why(error))

    def serve(self, receiver: str) -> None:
        """Tell one receiver what waits for it, as far as it takes it."""
        end = time.monotonic() + _TURN
        while not self._stopping.is_set() and time.monotonic() < end:
            batch = write(self._engine, lambda connection: deliveries.claim(connection, receiver, _CLAIM))
            if batch is None:
                return
            told, refused = self._tell(batch, end)
            given_up = write(
                self._engine,
                lambda c, b=batch, t=told, f=refused: deliveries.settle(c, b, t, failed=f),  # type: ignore[misc]
            )
            if given_up:
                LOG.warning("%s is never told of %d events: they are too old now", receiver, given_up)
            if refused:
                return

    def _tell(self, batch: Batch, end: float) -> tuple[int, bool]:
        """How many were told, and whether the next one was refused."""
        for told, happening in enumerate(batch.happenings):
            if self._stopping.is_set() or time.monotonic() > end:
                return told, False
            note = notifications.of(happening)
            try:
                for channel in self._channels:
                    if note is not None and batch.receiver in channel.receivers(happening.job, note):
                        channel.send(batch.receiver, happening.job, note)
            except Undelivered as error:
                LOG.warning("%s is told later of event %d: %s", batch.receiver, happening.event.id, error)
                return told, True
            except Exception:
                LOG.exception("%s cannot be told of event %d", batch.receiver, happening.event.id)
                return told, True
        return len(batch.happenings), False
