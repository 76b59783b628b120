"""A server that somebody has deleted during its job: what was done inside it went along."""

from collections.abc import Iterator
from contextlib import contextmanager

from liveupdate.errors import GuestError
from liveupdate.steps.protocol import StepContext


@contextmanager
def unless_gone(context: StepContext) -> Iterator[None]:
    """Undo something in the original's guest: that it does not answer is no error once there is no such server."""
    try:
        yield
    except GuestError:
        if context.service_cloud().servers.get(context.job.server_id) is not None:
            raise
        context.event("progress", text="the original is gone, and with it what was done inside it")
