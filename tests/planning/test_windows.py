"""Maintenance windows: what is understood, and when one is open next."""

from datetime import UTC, datetime

import pytest

from liveupdate.planning import windows


def at(told: str) -> datetime:
    return datetime.fromisoformat(told).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "opens"),
    [
        # 2026-07-01 is a Wednesday
        ("22:00-04:00", "2026-07-01T12:00", "2026-07-01T22:00"),
        ("22:00-04:00", "2026-07-01T23:30", "2026-07-01T23:30"),
        ("22:00-04:00", "2026-07-02T03:59", "2026-07-02T03:59"),
        ("22:00-04:00", "2026-07-02T04:00", "2026-07-02T22:00"),
        ("09:00-17:00", "2026-07-01T17:00", "2026-07-02T09:00"),
        ("sat,sun 22:00-04:00", "2026-07-01T12:00", "2026-07-04T22:00"),
        # the window of Sunday, which ends on Monday
        ("sat,sun 22:00-04:00", "2026-07-06T03:00", "2026-07-06T03:00"),
        ("sat,sun 22:00-04:00", "2026-07-06T05:00", "2026-07-11T22:00"),
        ("wed 12:00-13:00", "2026-07-01T13:00", "2026-07-08T12:00"),
        ("00:00-00:00", "2026-07-01T12:34", "2026-07-01T12:34"),
    ],
)
def test_when_it_is_open_next(window: str, now: str, opens: str) -> None:
    assert windows.parse(window).next(at(now)) == at(opens)


@pytest.mark.parametrize(
    "wrong",
    ["", "22-04", "24:00-01:00", "22:60-23:00", "noon", "Sat 22:00-04:00", "sat, sun 22:00-04:00", "22:00-04:00Z"],
)
def test_what_is_no_window(wrong: str) -> None:
    with pytest.raises(ValueError, match="sat,sun 22:00-04:00"):
        windows.parse(wrong)
