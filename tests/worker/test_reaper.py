"""The reaper ends fallbacks whose time is over: whole, by whichever worker, whenever it dies."""

from dataclasses import dataclass, replace

import pytest
from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.db import fallbacks, jobs, resources, words
from liveupdate.db.session import read
from liveupdate.engine.runner import Runner
from liveupdate.model import Job, JobKind
from liveupdate.states import JobState, ResourceState
from liveupdate.testing.cloud import CloudDouble, World
from liveupdate.testing.fallbacks import updated, with_fallback
from liveupdate.testing.jobs import expire_lease, make_due, say, unreachable, work
from liveupdate.testing.surroundings import in_memory
from liveupdate.worker.reaper import end_fallbacks


class Killed(BaseException):
    """kill -9."""


@dataclass
class Site:
    engine: Engine
    world: World

    def work(self) -> Job:
        """Workers come until the one job there is rests."""
        for _ in range(20):
            with read(self.engine) as connection:
                [job] = jobs.page(connection, JobKind.UPDATE, project_id=None, filters={"method": "fallback_expire"})
            if job.state not in (JobState.QUEUED, JobState.RUNNING, JobState.WAITING, JobState.UNDOING):
                return job
            make_due(self.engine, job.id)
            # as the service user: the job has no trust
            around = replace(in_memory(self.world), user_cloud=unreachable)
            try:
                work(self.engine, Runner(around, methods.steps()))
            except Killed:
                expire_lease(self.engine, job.id)
        raise AssertionError(f"never ends: {job.state}: {job.reason}")

    def kept(self) -> list[str]:
        with read(self.engine) as connection:
            return [f.id for f in fallbacks.page(connection, project_id=None, filters={})]


@pytest.fixture
def site(sqlite: Engine) -> Site:
    job_id = updated(sqlite, days=-1)
    return Site(sqlite, with_fallback(job_id))


def test_what_is_over_is_ended_once_and_then_there_is_nothing_to_do(site: Site) -> None:
    assert end_fallbacks(site.engine) == 1
    assert end_fallbacks(site.engine) == 0
    job = site.work()
    assert (job.state, job.user_id, job.trust_id) == (JobState.SUCCEEDED, "", "")
    assert "snapshot" not in site.world.snapshots
    assert "old-volume" not in site.world.volumes
    assert site.kept() == []
    assert end_fallbacks(site.engine) == 0
    with read(site.engine) as connection:
        assert {line.state for line in resources.of_job(connection, job.id)} == {ResourceState.DELETED}


def test_what_is_not_over_stays(sqlite: Engine) -> None:
    updated(sqlite, days=1)
    assert end_fallbacks(sqlite) == 0


def test_a_volume_in_use_keeps_the_whole_fallback_and_is_named(site: Site) -> None:
    CloudDouble(site.world, admin=True).servers.attach_volume("updated", "old-volume")
    before = site.world.seen()
    end_fallbacks(site.engine)
    job = site.work()
    assert (job.state, job.code) == (JobState.UNDONE, "live-update.fallback.in-use")
    assert "old-volume" in job.reason
    assert site.world.seen() == before
    assert len(site.kept()) == 1
    # not at every look of every worker
    assert end_fallbacks(site.engine) == 0


def test_what_cinder_does_not_delete_needs_attention_and_ends_with_a_retry(site: Site) -> None:
    site.world.stuck["snapshot"] = "available"
    end_fallbacks(site.engine)
    job = site.work()
    assert (job.state, job.code) == (JobState.NEEDS_ATTENTION, "live-update.fallback.not-deleted")
    assert end_fallbacks(site.engine) == 0
    site.world.stuck.clear()
    say(site.engine, job.id, words.retry)
    assert site.work().state == JobState.SUCCEEDED
    assert site.kept() == []


def test_a_worker_that_dies_anywhere_is_followed_by_one_that_finishes(site: Site) -> None:
    moments = iter(range(1000))
    fatal = {1, 3, 4}

    def strike(_: str) -> None:
        if next(moments) in fatal:
            raise Killed

    site.world.strike = strike
    end_fallbacks(site.engine)
    assert site.work().state == JobState.SUCCEEDED
    assert site.kept() == []
    assert "old-volume" not in site.world.volumes
