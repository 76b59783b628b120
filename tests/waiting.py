"""Waiting for what another thread or another process is about to do."""

import time
from collections.abc import Callable

#: Seconds. Only what never comes takes as long, on however slow a machine.
PATIENCE = 120.0


def until(what: Callable[[], object], told: Callable[[], str] = str) -> None:
    """``told``: what the other one has said so far, for whoever reads why it never came."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end, f"it never came. {told()}"
        time.sleep(0.01)
