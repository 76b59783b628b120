"""Maintenance windows: "22:00-04:00", or only on some days: "sat,sun 22:00-04:00". Times are UTC. Pure.

A window belongs to the day on which it opens; it closes on the next day if its end is not after its begin.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FORMAT = re.compile(
    rf"(?:((?:{'|'.join(_DAYS)})(?:,(?:{'|'.join(_DAYS)}))*) )?"
    r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])"
)


@dataclass(frozen=True)
class Window:
    """``days`` as in datetime.weekday(); ``opens`` after midnight, ``lasts`` at most a day."""

    days: frozenset[int]
    opens: timedelta
    lasts: timedelta

    def next(self, at: datetime) -> datetime:
        """When it is open next: ``at`` itself if it is open then."""
        midnight = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        for offset in range(-1, 8):
            day = midnight + timedelta(days=offset)
            if day.weekday() in self.days and day + self.opens + self.lasts > at:
                return max(at, day + self.opens)
        raise AssertionError("unreachable: it opens at least once a week")


def parse(told: str) -> Window:
    """Raises ValueError."""
    found = _FORMAT.fullmatch(told)
    if found is None:
        raise ValueError("must be like 22:00-04:00 or sat,sun 22:00-04:00 (UTC)")
    days, *times = found.groups()
    opens, ends = (timedelta(hours=int(h), minutes=int(m)) for h, m in (times[:2], times[2:]))
    lasts = ends - opens if ends > opens else ends - opens + timedelta(days=1)
    chosen = frozenset(_DAYS.index(day) for day in days.split(",")) if days else frozenset(range(7))
    return Window(chosen, opens, lasts)
