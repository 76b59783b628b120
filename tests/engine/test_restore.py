"""A restore in the real engine, on a cloud in memory: killed anywhere it is done; cancelled anywhere, as before."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine

from liveupdate.db import fallbacks, words
from liveupdate.db.session import write
from liveupdate.errors import Conflict
from liveupdate.methods import restore
from liveupdate.states import JobState
from liveupdate.testing.fallbacks import get, updated, with_fallback
from liveupdate.testing.jobs import new_job, say
from liveupdate.testing.surroundings import in_memory
from tests.engine.killable import Killed, Workers

#: Every how many-th of the moments at which a worker can die is tried.
STRIDE = 3


@dataclass
class Site(Workers):
    def __post_init__(self) -> None:
        self.fallback_id = updated(self.engine, data=True)
        self.world = with_fallback(self.fallback_id)
        self.before = self.world.seen()
        self.world.strike = self.strike
        self.surroundings = in_memory(self.world)

    def accept(self) -> str:
        source = get(self.engine, self.fallback_id)
        parameters = restore.parameters(source, data_volumes=True, keep_days=7)
        new = new_job(
            server_id=source.server_id,
            method="restore",
            parameters=parameters,
            plan=restore.METHOD.plan(),
            fallback_id=source.id,
        )
        return write(self.engine, lambda connection: fallbacks.begin(connection, source, new))[0].id

    def assert_restored(self, job_id: str) -> None:
        [server] = self.world.servers.values()
        assert (server.name, server.status, server.locked, server.tags) == ("server", "ACTIVE", False, ("mine",))
        assert [(p.id, p.device_id) for p in self.world.ports.values()] == [("own-port", server.id)]
        assert {"snapshot", "data-snapshot"} < set(self.world.snapshots)
        # from here on both fallbacks are for the server that came back
        assert {get(self.engine, i).server_id for i in (self.fallback_id, job_id)} == {server.id}
        self.assert_nothing_open(job_id)

    def assert_as_before(self, job_id: str) -> None:
        assert self.world.seen() == self.before
        self.assert_nothing_open(job_id)


@pytest.fixture
def site(database: Callable[[], Engine]) -> Callable[..., Site]:
    """Makes sites, each with a database of its own."""
    return lambda **options: Site(database(), **options)


def deaths(make: Callable[..., Site]) -> Iterator[Site]:
    """A site for each moment that is tried, in which the worker will die then."""
    counted = make()
    counted.finish(counted.accept())
    assert counted.moments > 10 * STRIDE
    for moment in range(1, counted.moments + 1, STRIDE):
        yield make(fatal=moment)


def test_a_restore_is_done_whenever_its_worker_dies(site: Callable[..., Site]) -> None:
    for each in deaths(site):
        job_id = each.accept()
        assert each.finish(job_id).state == JobState.SUCCEEDED
        each.assert_restored(job_id)


def test_a_cancel_after_the_workers_death_leaves_everything_as_it_was_or_comes_too_late(
    site: Callable[..., Site],
) -> None:
    ends = set()
    for each in deaths(site):
        job_id = each.accept()
        each.work(job_id, lambda job, at=each: at.moments >= at.fatal)  # type: ignore[misc]
        in_time = each.cancel(job_id)
        assert each.finish(job_id).state == (JobState.CANCELLED if in_time else JobState.SUCCEEDED)
        (each.assert_as_before if in_time else each.assert_restored)(job_id)
        ends.add(in_time)
    assert ends == {True, False}


def test_what_a_restore_replaced_can_be_restored_in_its_turn(site: Callable[..., Site]) -> None:
    here = site()
    first = here.accept()
    here.finish(first)
    here.fallback_id = first
    again = here.accept()
    assert here.finish(again).state == JobState.SUCCEEDED
    here.assert_restored(again)


def test_there_is_no_word_for_a_restore_but_cancel_and_retry(site: Callable[..., Site]) -> None:
    here = site()
    job_id = here.accept()

    def strike(moment: str) -> None:
        if moment == "before set_tags":
            raise Killed

    here.world.strike = strike
    assert here.work(job_id, lambda job: job.step == "settle").state == JobState.RUNNING
    for decision in ("confirm", "rollback"):
        with pytest.raises(Conflict):
            say(here.engine, job_id, words.decide, decision)
