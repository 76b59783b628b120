"""How busy hosts are. A new source is a file with a ``make(settings)`` and its line in SOURCES.

Sources answer for every host they are asked about: Utilization, or NoData with the reason; they never guess.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from liveupdate.drivers.metrics import prometheus
from liveupdate.errors import Invalid
from liveupdate.model import NoData, Utilization
from liveupdate.settings import Metrics

Answers = Mapping[str, Utilization | NoData]


class Source(Protocol):
    def utilization(self, hosts: Sequence[str]) -> Answers:
        """The mean of the last 15 minutes for each of ``hosts``; does not raise when the source is away."""


class Nothing:
    """No source is configured."""

    def utilization(self, hosts: Sequence[str]) -> Answers:
        return {host: NoData("no metrics source is configured") for host in hosts}


SOURCES: Mapping[str, Callable[[Metrics], Source]] = {
    "none": lambda settings: Nothing(),
    "prometheus": prometheus.make,
}


def make(settings: Metrics) -> Source:
    """Raises Invalid for a source that does not exist."""
    if settings.source not in SOURCES:
        raise Invalid(
            f"there is no metrics source {settings.source!r}",
            code="live-update.metrics.unknown",
            remedy=f"set [metrics] source to one of: {', '.join(SOURCES)}",
        )
    return SOURCES[settings.source](settings)
