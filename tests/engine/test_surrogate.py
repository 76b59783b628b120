"""The whole method in the real engine, on a cloud and two guests in memory: killed anywhere, it ends whole."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import words
from liveupdate.states import JobState
from liveupdate.testing.boot_sets import with_boot_set
from liveupdate.testing.cloud import with_local_root
from liveupdate.testing.jobs import say
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


#: Of the data volume's type, and of what it boots from.
DISKS: dict[str, dict[str, Any]] = {
    "multiattach": {},
    "one server": {"multiattach": False},
    "two boot volumes": {"made": with_boot_set},
    "local disk": {"made": with_local_root},
}


@pytest.mark.parametrize("disks", DISKS.values(), ids=list(DISKS))
def test_an_update_is_done_whenever_its_worker_dies(site: Callable[..., Site], disks: dict[str, Any]) -> None:
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
    site: Callable[..., Site], disks: dict[str, Any]
) -> None:
    def back(each: Site) -> str:
        job_id = each.accept(confirm=True)
        each.hold(job_id)
        say(each.engine, job_id, words.decide, "rollback")
        assert each.finish(job_id).state == JobState.UNDONE
        return job_id

    for each in deaths(site, back, **disks):
        each.assert_as_before(back(each))


def restarted_in_hold(each: Site) -> str:
    """A job in hold whose surrogate has been restarted, and that has been noticed."""
    job_id = each.accept(confirm=True)
    each.hold(job_id)
    each.pair.restart("surrogate")
    job = each.work(job_id, lambda job: "restarted" in job.reason)
    assert (job.code, job.state) == ("live-update.hold.restarted", JobState.WAITING)
    assert "roll back" in job.remedy
    return job_id


def rollback(each: Site, job_id: str) -> None:
    say(each.engine, job_id, words.decide, "rollback")


@pytest.mark.parametrize("multiattach", [True, False], ids=["multiattach", "one server"])
@pytest.mark.parametrize("failing", [set(), {"surrogate"}], ids=["it serves again", "its units do not start"])
def test_what_is_asked_back_from_a_surrogate_that_was_restarted_runs_where_it_was(
    site: Callable[..., Site], failing: set[str], *, multiattach: bool
) -> None:
    def back(each: Site) -> str:
        each.pair.failing |= failing
        job_id = restarted_in_hold(each)
        assert each.pair.serving == {"surrogate"} - failing
        rollback(each, job_id)
        assert each.finish(job_id).state == JobState.UNDONE
        return job_id

    for each in deaths(site, back, multiattach=multiattach):
        each.assert_as_before(back(each))


def test_a_surrogate_that_stays_silent_keeps_the_job_in_hold_until_it_can_be_asked_again(
    site: Callable[..., Site],
) -> None:
    each = site(multiattach=False)
    job_id = restarted_in_hold(each)
    each.pair.silent = {"surrogate"}
    rollback(each, job_id)
    job = each.work(job_id, lambda job: job.step == "hold" and not job.decision and bool(job.code))
    assert (job.state, job.code) == (JobState.WAITING, "live-update.hold.silent")
    assert "console" in job.remedy
    assert each.pair.serving == {"surrogate"}
    each.pair.silent = set()
    rollback(each, job_id)
    assert each.finish(job_id).state == JobState.UNDONE
    each.assert_as_before(job_id)


def test_a_job_in_hold_tells_its_trouble_and_its_remedy_as_long_as_it_lasts(site: Callable[..., Site]) -> None:
    each = site()
    job_id = each.accept(confirm=True)
    each.hold(job_id)
    each.pair.silent = {"surrogate"}
    job = each.work(job_id, lambda job: bool(job.code))
    assert (job.code, job.reason) == ("live-update.hold.silent", job.reason)
    assert "goes on by itself" in job.remedy
    each.pair.silent = set()
    job = each.work(job_id, lambda job: not job.code)
    assert (job.step, job.state, job.remedy) == ("hold", JobState.WAITING, "")
    each.pair.restart("surrogate")
    each.work(job_id, lambda job: bool(job.code))
    say(each.engine, job_id, words.decide, "confirm")
    job = each.finish(job_id)
    assert (job.state, job.code, job.remedy) == (JobState.SUCCEEDED, "", "")
