"""The whole method in the real engine, on a cloud and two guests in memory: killed anywhere, it ends whole."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import jobs
from liveupdate.db.session import write
from liveupdate.states import JobState
from tests.engine.site import Site

#: Every how many-th of the moments at which a worker can die is tried; with 1, all of them: five minutes.
STRIDE = 13


@pytest.fixture
def site(database: Callable[[], Engine]) -> Callable[..., Site]:
    """Makes sites, each with a database of its own."""
    return lambda **options: Site(database(), **options)


def deaths(make: Callable[..., Site], run: Callable[[Site], object], **options: Any) -> Iterator[Site]:
    """A site for each moment that is tried, in which the worker will die then; ``run`` is counted out first."""
    counted = make(**options)
    run(counted)
    assert counted.moments > 5 * STRIDE
    for moment in range(1, counted.moments + 1, STRIDE):
        yield make(fatal=moment, **options)


#: Of the data volume's type, and of the boot set.
DISKS = {"multiattach": {}, "one server": {"multiattach": False}, "two boot volumes": {"var": True}}


@pytest.mark.parametrize("disks", DISKS.values(), ids=list(DISKS))
def test_an_update_is_done_whenever_its_worker_dies(site: Callable[..., Site], disks: dict[str, bool]) -> None:
    for each in deaths(site, lambda s: s.finish(s.accept()), **disks):
        job_id = each.accept()
        assert each.finish(job_id).state == JobState.SUCCEEDED
        each.assert_updated(job_id)


def test_a_cancel_after_the_workers_death_leaves_everything_as_it_was_or_comes_too_late(
    site: Callable[..., Site],
) -> None:
    ends = set()
    for each in deaths(site, lambda s: s.finish(s.accept()), multiattach=False):
        job_id = each.accept()
        each.work(job_id, lambda job, at=each: at.moments >= at.fatal)  # type: ignore[misc]
        in_time = each.cancel(job_id)
        assert each.finish(job_id).state == (JobState.CANCELLED if in_time else JobState.SUCCEEDED)
        (each.assert_as_before if in_time else each.assert_updated)(job_id)
        ends.add(in_time)
    assert ends == {True, False}


@pytest.mark.parametrize("disks", DISKS.values(), ids=list(DISKS))
def test_what_is_asked_back_in_hold_runs_where_it_was_whenever_the_worker_dies(
    site: Callable[..., Site], disks: dict[str, bool]
) -> None:
    def back(each: Site) -> str:
        job_id = each.accept(confirm=True)
        each.hold(job_id)
        write(each.engine, lambda c: jobs.decide(c, jobs.get(c, job_id), "rollback"))
        assert each.finish(job_id).state == JobState.UNDONE
        return job_id

    for each in deaths(site, back, **disks):
        each.assert_as_before(back(each))
