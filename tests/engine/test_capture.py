"""A capture in the real engine, on a cloud in memory: killed anywhere it is done; cancelled anywhere, as before."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import resources
from liveupdate.db.session import read
from liveupdate.methods import capture
from liveupdate.planning import report
from liveupdate.states import FINAL, JobState
from liveupdate.testing.captures import KERNEL
from liveupdate.testing.jobs import accept, look
from liveupdate.testing.surroundings import in_memory
from tests.engine.killable import Killed, Workers
from tests.steps.test_capture import SERVER, asked, shape

#: Every how many-th of the moments at which a worker can die is tried.
STRIDE = 3


@dataclass
class Site(Workers):
    def __post_init__(self) -> None:
        self.world, made = asked("data-volume")
        self.before = shape(self.world)
        self.world.strike = self.strike
        self.surroundings = in_memory(self.world, lambda context, side: made.guests[side])
        told: dict[str, Any] = dict(made.job.parameters)
        self.job_id = accept(
            self.engine,
            method="capture",
            server_id=SERVER,
            parameters=told,
            plan=capture.METHOD.plan(),
            trust_id="trust",
        )

    def report(self) -> dict[str, Any]:
        job, rows = look(self.engine, self.job_id)
        with read(self.engine) as connection:
            return report.assemble(job, list(rows.values()), resources.of_job(connection, self.job_id))


@pytest.fixture
def site(database: Callable[[], Engine]) -> Callable[..., Site]:
    """Makes sites, each with a database of its own."""
    return lambda **options: Site(database(), **options)


def test_the_report_tells_what_was_captured(site: Callable[..., Site]) -> None:
    made = site()
    assert made.finish(made.job_id).state == JobState.SUCCEEDED
    told = made.report()
    assert [(v["id"], v["boot"], v["size"]) for v in told["captured"]] == [
        ("root-volume", True, 3),
        ("data-volume", False, 3),
    ]
    [image] = made.world.golden.values()
    assert (told["image"], told["frozen_ms"]) == ({"image_id": image.id, "name": "golden"}, 360)
    assert image.properties["liveupdate:kernel"] == KERNEL
    kept = {line["role"] for line in told["resources"]["kept"]}
    assert kept == {"golden", "golden-0", "golden-1", "copy-0", "copy-1"}
    assert told["resources"]["leftovers"] == []
    assert all(v["seconds"] is not None for v in told["volumes"] if v["state"] == "kept")


def test_killed_at_any_moment_it_is_captured_all_the_same(site: Callable[..., Site]) -> None:
    smooth = site()
    smooth.finish(smooth.job_id)
    assert smooth.moments > 30
    for fatal in range(1, smooth.moments + 1, STRIDE):
        made = site(fatal=fatal)
        assert made.finish(made.job_id).state == JobState.SUCCEEDED, fatal
        assert named(made) == named(smooth), fatal
        made.assert_nothing_open(made.job_id)


def test_cancelled_at_any_step_before_the_pivot_all_is_as_before(site: Callable[..., Site]) -> None:
    for step in [spec.id for spec in capture.METHOD.plan().steps][1:]:
        made = site()
        reached(made, step)
        if not made.cancel(made.job_id):
            # the guard makes no call to the cloud: nowhere to stop there
            assert step in ("guard", "publish_image", "settle_capture")
            continue
        assert made.finish(made.job_id).state == JobState.CANCELLED, step
        assert shape(made.world) == made.before, step
        made.assert_nothing_open(made.job_id)


def reached(made: Site, step: str) -> None:
    """Up to the first cloud call of the step, where the worker dies; or to the end, if it makes none."""
    real = made.world.strike

    def strike(moment: str) -> None:
        real(moment)
        if look(made.engine, made.job_id)[0].step == step:
            made.world.strike = real
            raise Killed

    made.world.strike = strike
    made.work(made.job_id, lambda job: job.step == step or job.state in FINAL)
    made.world.strike = real


def named(made: Site) -> str:
    """What is there, whatever the job's id."""
    return repr(shape(made.world)).replace(made.job_id[:8], "…")


def test_a_capture_that_fails_leaves_the_server_as_it_was(site: Callable[..., Site]) -> None:
    made = site()
    made.world.hosts = [replace(host) for host in made.world.hosts]
    made.world.faults = {host.name: "no room" for host in made.world.hosts}
    ended = made.finish(made.job_id)
    assert (ended.state, ended.code) == (JobState.UNDONE, "live-update.capture.copy-failed")
    assert shape(made.world) == made.before
    made.assert_nothing_open(made.job_id)
