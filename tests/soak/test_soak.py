"""A small soak in every run of the tests; ``make soak`` runs the whole."""

import random
from pathlib import Path

import pytest

from tests.faults import databases
from tests.soak.crowd import soak

pytestmark = pytest.mark.databases


@pytest.mark.parametrize("name", ["mariadb", "postgresql"])
def test_no_job_is_lost_or_done_twice_though_workers_are_killed(name: str, tmp_path: Path) -> None:
    with databases.opened(name) as engine:
        told = soak(engine, tmp_path, 60, 2, 3, random.Random(7))  # noqa: S311 - who is killed is no secret
    assert not told.violations
    assert told.kills == 3
    # one when it has begun, one when it is woken; a successor looks, too
    assert told.gets <= 3 * told.jobs
    assert told.lists_each <= 1.5
