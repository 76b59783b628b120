"""Notifications on the message bus, as every OpenStack service sends them (oslo.messaging, format 2.0)."""

import logging
import socket
from collections.abc import Sequence

from liveupdate.messaging import transport
from liveupdate.messaging.channels import Undelivered
from liveupdate.messaging.notifications import Notification
from liveupdate.model import Job

LOG = logging.getLogger(__name__)

BUS = "bus"


class Bus:
    """``topic``: its queues are TOPIC.info and TOPIC.error. Never waits for a broker that is away."""

    def __init__(self, url: str, topic: str) -> None:
        self._transport = transport.notifications(url)
        self._topic = topic
        self._publisher = f"live_update.{socket.gethostname()}"

    def receivers(self, job: Job, note: Notification) -> Sequence[str]:
        return (BUS,)

    def send(self, receiver: str, job: Job, note: Notification) -> None:
        self.tell(note)

    def tell(self, note: Notification) -> None:
        """Raises Undelivered."""
        message = {
            "message_id": note.id,
            "publisher_id": self._publisher,
            "event_type": note.event_type,
            "priority": note.priority,
            "payload": dict(note.payload),
            "timestamp": note.at,
        }
        target = transport.Target(topic=f"{self._topic}.{note.priority.lower()}")
        try:
            # what oslo.messaging's own drivers call: these would swallow the error, and write the payload to the log
            self._transport._send_notification(target, {}, message, version=2.0, retry=0)
        # kombu's and the sockets' own errors come through as they are; their text may hold the URL
        except Exception as error:
            raise Undelivered(f"the broker does not take it: {type(error).__name__}") from None
