"""Sends what may be lost, without anybody waiting for it."""

import logging
from queue import Empty, Full, Queue
from threading import Event, Thread

from liveupdate.messaging.bus import Bus
from liveupdate.messaging.channels import Undelivered
from liveupdate.messaging.notifications import Notification

LOG = logging.getLogger(__name__)

#: Notifications that wait at most: what comes on top is dropped, and counted in the log.
_ROOM = 1000


class Aside:
    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._waiting: Queue[Notification] = Queue(_ROOM)
        self._stopping = Event()
        self._thread = Thread(target=self._send, name="aside", daemon=True)
        self._thread.start()

    def tell(self, note: Notification) -> None:
        """Returns at once; never raises."""
        try:
            self._waiting.put_nowait(note)
        except Full:
            LOG.warning("the broker is behind: %s %s is not told", note.event_type, note.id)

    def stop(self, seconds: float = 5.0) -> None:
        """Give what waits so long to be sent."""
        self._stopping.set()
        self._thread.join(seconds)

    def _send(self) -> None:
        while True:
            try:
                note = self._waiting.get(timeout=0.2)
            except Empty:
                if self._stopping.is_set():
                    return
                continue
            try:
                self._bus.tell(note)
            except Undelivered as error:
                LOG.warning("%s %s is not told: %s", note.event_type, note.id, error)
