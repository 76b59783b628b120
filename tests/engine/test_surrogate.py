"""The whole method in the real engine, on a cloud and two guests in memory: killed anywhere, it ends whole.

Only the preflight (its findings are given) and the update (its packages are) are stand-ins. The guests refuse to serve
twice, and to resume without knowing that the other is down.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.db import jobs
from liveupdate.db.session import write
from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.context import Surroundings
from liveupdate.errors import Conflict
from liveupdate.model import Job, Json
from liveupdate.settings import load
from liveupdate.states import JobState
from liveupdate.steps.protocol import NOT_DONE, Step, StepContext
from liveupdate.steps.server_facts import describe
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.jobs import accept
from liveupdate.testing.pair import Pair, PairedGuest
from tests.engine.killable import Workers

#: Every how many-th of the moments at which a worker can die is tried; with 1, all of them: five minutes.
STRIDE = 13
METHOD = methods.find("surrogate")


@dataclass
class Site(Workers):
    """A cloud with one server, and its workers. What strikes: calls into cloud and guests."""

    multiattach: bool = True

    def __post_init__(self) -> None:
        world = with_server()
        world.volumes["data-volume"] = replace(world.volumes["data-volume"], multiattach=self.multiattach)
        self.pair = Pair(world, {"original": "original"})
        self.world = world
        world.strike = self.pair.before = self.strike
        self.before = world.seen()
        serials = tuple(v[:20] for v in world.volumes)
        self.guests = {side: PairedGuest(self.pair, side, serials=serials) for side in ("original", "surrogate")}
        self.steps = {
            **methods.steps(),
            "preflight": stand_in("preflight", self._preflight),
            "update": stand_in("update", lambda context: {"kernel_before": "1", "kernel_after": "2"}),
        }
        self.surroundings = Surroundings(
            load(config_files=[]),
            lambda job: CloudDouble(world, admin=False),  # type: ignore[arg-type,return-value]
            lambda job: CloudDouble(world, admin=True),  # type: ignore[arg-type,return-value]
            self._guest,  # type: ignore[arg-type]
            Nothing(),
        )

    def _guest(self, context: StepContext, side: str) -> PairedGuest:
        if made := context.result("provision"):
            self.pair.servers["surrogate"] = made["server_id"]
        return self.guests[side]

    def _preflight(self, context: StepContext) -> Json:
        cloud = CloudDouble(self.world, admin=True)
        mounts = [
            {"where": "/", "fstype": "ext4", "options": "rw", "by_id": ""},
            {"where": "/data", "fstype": "ext4", "options": "rw", "by_id": "/dev/disk/by-id/virtio-data-volume"},
        ]
        return {
            "server": describe(cloud, self.world.servers["original"]),  # type: ignore[arg-type]
            "guest": {"mounts": mounts, "smbios_uuid": "original"},
            "host_key": "ssh-ed25519 AAAA",
            "units": [{"name": "kv.service", "handover": "move", "health": []}],
        }

    def accept(self, **parameters: Any) -> str:
        return accept(self.engine, server_id="original", plan=METHOD.plan(), parameters=parameters)

    def hold(self, job_id: str) -> Job:
        return self.work(job_id, lambda job: job.state == JobState.WAITING and job.step == "hold")

    def assert_updated(self, job_id: str) -> None:
        assert self.pair.serving == {"surrogate"}
        [server] = self.world.servers.values()
        assert (server.id, server.name, server.locked) == (self.pair.servers["surrogate"], "server", False)
        assert [(p.id, p.device_id) for p in self.world.ports.values()] == [("own-port", server.id)]
        assert self.world.volumes["data-volume"].servers == {server.id}
        self._assert_nothing_left(job_id)

    def assert_as_before(self, job_id: str) -> None:
        assert self.pair.serving == {"original"}
        assert self.world.seen() == self.before
        self._assert_nothing_left(job_id)

    def _assert_nothing_left(self, job_id: str) -> None:
        self.assert_nothing_open(job_id)
        assert not self.pair.linked


def stand_in(name: str, apply: Callable[[StepContext], Json]) -> Step:
    return Step(name, name, lambda context: NOT_DONE, apply, lambda context: None)


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


@pytest.mark.parametrize("multiattach", [True, False], ids=["multiattach", "one server"])
def test_an_update_is_done_whenever_its_worker_dies(site: Callable[..., Site], *, multiattach: bool) -> None:
    for each in deaths(site, lambda s: s.finish(s.accept()), multiattach=multiattach):
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
        try:
            write(each.engine, lambda c, j=job_id: jobs.request_cancel(c, jobs.get(c, j)))  # type: ignore[misc]
        except Conflict:
            assert each.finish(job_id).state == JobState.SUCCEEDED
            each.assert_updated(job_id)
            ends.add("too late")
        else:
            assert each.finish(job_id).state == JobState.CANCELLED
            each.assert_as_before(job_id)
            ends.add("cancelled")
    assert ends == {"cancelled", "too late"}


@pytest.mark.parametrize("multiattach", [True, False], ids=["multiattach", "one server"])
def test_what_is_asked_back_in_hold_runs_where_it_was_whenever_the_worker_dies(
    site: Callable[..., Site], *, multiattach: bool
) -> None:
    def back(each: Site) -> str:
        job_id = each.accept(confirm=True)
        each.hold(job_id)
        write(each.engine, lambda c: jobs.decide(c, jobs.get(c, job_id), "rollback"))
        assert each.finish(job_id).state == JobState.UNDONE
        return job_id

    for each in deaths(site, back, multiattach=multiattach):
        each.assert_as_before(back(each))
