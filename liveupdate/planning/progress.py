"""How long a job will take: what its steps take as a rule, less what the one at hand has taken. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from liveupdate.model import StepRow
from liveupdate.states import StepState


def remaining_seconds(rows: Sequence[StepRow], typical: Mapping[str, float], now: datetime) -> float | None:
    """Going forward; None where nothing is known of one of the steps that are left."""
    left = [row for row in rows if row.state in (StepState.PENDING, StepState.APPLYING)]
    if any(row.spec.id not in typical for row in left):
        return None
    return round(sum(_left(row, typical[row.spec.id], now) for row in left), 1)


def _left(row: StepRow, takes: float, now: datetime) -> float:
    at_hand = row.state == StepState.APPLYING and row.started_at
    return max(0.0, takes - (now - row.started_at).total_seconds()) if at_hand and row.started_at else takes
