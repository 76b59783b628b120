"""Keystone keeps no two trusts of the same users and project that end in one second: many jobs at once need as many.

tests/api/test_keystone.py has the real one.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
from keystoneauth1 import exceptions

from liveupdate.drivers.cloud import trusts
from liveupdate.errors import LiveUpdateError
from tests.drivers.cloud.answers import answer

ENDS = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class Keystone:
    """It knows to the second when its trusts end."""

    def __init__(self, full: bool = False) -> None:
        self.ends: list[str] = []
        self.full = full

    def post(self, path: str, json: Any, **_: Any) -> Any:
        ends = json["trust"]["expires_at"][:19]
        if self.full or ends in self.ends:
            raise exceptions.Conflict("a duplicate entry")
        self.ends.append(ends)
        return answer({"trust": {"id": f"trust-{len(self.ends)}"}}, 201)


def create(keystone: Any) -> str:
    return trusts.create(keystone, "user", "service", "project", ("member",), ENDS)


def test_jobs_of_one_moment_have_a_trust_each_none_of_which_ends_early_or_an_hour_late() -> None:
    keystone = Keystone()
    assert [create(keystone) for _ in range(5)] == [f"trust-{n}" for n in range(1, 6)]
    ends = [(datetime.fromisoformat(end + "Z") - ENDS).total_seconds() for end in keystone.ends]
    assert ends[0] == 0
    assert all(0 < end < 3600 for end in ends[1:])


def test_it_is_not_tried_for_ever() -> None:
    with pytest.raises(LiveUpdateError, match="cannot create the job's trust"):
        create(Keystone(full=True))
