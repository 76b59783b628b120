"""The ways by which the world is told: the bus, webhooks. Each is asked who is to hear, then given what to say."""

from collections.abc import Sequence
from typing import Protocol

from liveupdate.messaging.notifications import Notification
from liveupdate.model import Job


class Undelivered(Exception):
    """It was not taken, for now. The message goes to the log: never a secret, a body or a whole URL."""


class Channel(Protocol):
    def receivers(self, job: Job, note: Notification) -> Sequence[str]:
        """Who is to be told, by names of at most 64 characters that stay the same over restarts."""

    def send(self, receiver: str, job: Job, note: Notification) -> None:
        """Tell one receiver, in seconds. Nothing happens if it is none any more. Raises Undelivered."""
