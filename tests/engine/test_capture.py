"""A capture in the real engine, on a cloud in memory: killed anywhere it is done; cancelled anywhere, as before."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.db import jobs, resources
from liveupdate.db.session import open_engine, read, write
from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.context import Surroundings
from liveupdate.engine.journal import Journal, claim_next
from liveupdate.engine.runner import Runner
from liveupdate.errors import Conflict
from liveupdate.methods import capture
from liveupdate.model import Job
from liveupdate.planning import report
from liveupdate.settings import load
from liveupdate.states import FINAL, JobState, ResourceState
from liveupdate.testing.captures import KERNEL
from liveupdate.testing.cloud import CloudDouble
from liveupdate.testing.jobs import accept, expire_lease, look, make_due
from tests.steps.test_capture import SERVER, asked, shape

#: Every how many-th of the moments at which a worker can die is tried.
STRIDE = 3


class Killed(BaseException):
    """kill -9."""


class Site:
    def __init__(self, engine: Engine, fatal: int = -1) -> None:
        self.engine, self.fatal, self.moments = engine, fatal, 0
        self.world, made = asked("data-volume")
        self.before = shape(self.world)
        self.world.strike = self._strike
        self.surroundings = Surroundings(
            load(config_files=[]),
            lambda job: CloudDouble(self.world, admin=False),  # type: ignore[arg-type,return-value]
            lambda job: CloudDouble(self.world, admin=True),  # type: ignore[arg-type,return-value]
            lambda context, side: made.guests[side],
            Nothing(),
        )
        told: dict[str, Any] = dict(made.job.parameters)
        self.job_id = accept(
            engine, method="capture", server_id=SERVER, parameters=told, plan=capture.METHOD.plan(), trust_id="trust"
        )

    def _strike(self, _: str) -> None:
        self.moments += 1
        if self.moments == self.fatal:
            raise Killed

    def work(self, until: Callable[[Job], bool]) -> Job:
        """Workers come as long as they are needed; the one that is killed loses its lease."""
        for _ in range(100):
            job, _rows = look(self.engine, self.job_id)
            if until(job):
                return job
            assert job.state not in (JobState.NEEDS_ATTENTION, JobState.UNDO_FAILED), (job.step, job.reason)
            make_due(self.engine, self.job_id)
            claimed = claim_next(self.engine, "worker", 60)
            assert claimed is not None
            try:
                Runner(self.surroundings, methods.steps()).run(Journal(self.engine, claimed.claim, 60), claimed)
            except Killed:
                expire_lease(self.engine, self.job_id)
        raise AssertionError(f"never ends: {job.state} at {job.step}: {job.reason}")

    def finish(self) -> Job:
        return self.work(lambda job: job.state in FINAL)

    def report(self) -> dict[str, Any]:
        job, rows = look(self.engine, self.job_id)
        with read(self.engine) as connection:
            return report.assemble(job, list(rows.values()), resources.of_job(connection, self.job_id))

    def assert_nothing_open(self) -> None:
        with read(self.engine) as connection:
            lines = resources.of_job(connection, self.job_id)
        assert not [line for line in lines if line.state not in (ResourceState.DELETED, ResourceState.KEPT)]


@pytest.fixture
def site(tmp_path: Path, sqlite: Engine) -> Iterator[Callable[..., Site]]:
    """Makes sites, each with a copy of the empty database."""
    sqlite.dispose()
    opened: list[Engine] = []

    def make(fatal: int = -1) -> Site:
        path = tmp_path / f"{len(opened)}.sqlite"
        shutil.copy(tmp_path / "liveupdate.sqlite", path)
        opened.append(open_engine(f"sqlite:///{path}"))
        return Site(opened[-1], fatal)

    yield make
    for engine in opened:
        engine.dispose()


def test_the_report_tells_what_was_captured(site: Callable[..., Site]) -> None:
    made = site()
    assert made.finish().state == JobState.SUCCEEDED
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
    smooth.finish()
    assert smooth.moments > 30
    for fatal in range(1, smooth.moments + 1, STRIDE):
        made = site(fatal)
        assert made.finish().state == JobState.SUCCEEDED, fatal
        assert named(made) == named(smooth), fatal
        made.assert_nothing_open()


def test_cancelled_at_any_step_before_the_pivot_all_is_as_before(site: Callable[..., Site]) -> None:
    for step in [spec.id for spec in capture.METHOD.plan().steps][1:]:
        made = site()
        reached(made, step)
        try:
            write(made.engine, lambda c, m=made: jobs.request_cancel(c, jobs.get(c, m.job_id)))  # type: ignore[misc]
        except Conflict:
            # the guard makes no call to the cloud: nowhere to stop there
            assert step in ("guard", "publish_image", "settle_capture")
            continue
        assert made.finish().state == JobState.CANCELLED, step
        assert shape(made.world) == made.before, step
        made.assert_nothing_open()


def reached(made: Site, step: str) -> None:
    """Up to the first cloud call of the step, where the worker dies; or to the end, if it makes none."""
    real = made.world.strike

    def strike(moment: str) -> None:
        real(moment)
        if look(made.engine, made.job_id)[0].step == step:
            made.world.strike = real
            raise Killed

    made.world.strike = strike
    made.work(lambda job: job.step == step or job.state in FINAL)
    made.world.strike = real


def named(made: Site) -> dict[str, Any]:
    """What is there, whatever the job's id."""
    found = shape(made.world)
    short = made.job_id[:8]
    return {
        kind: sorted((str(name).replace(short, "…"), *rest) for name, *rest in items) for kind, items in found.items()
    }


def test_a_capture_that_fails_leaves_the_server_as_it_was(site: Callable[..., Site]) -> None:
    made = site()
    made.world.hosts = [replace(host) for host in made.world.hosts]
    made.world.faults = {host.name: "no room" for host in made.world.hosts}
    ended = made.finish()
    assert (ended.state, ended.code) == (JobState.UNDONE, "live-update.capture.copy-failed")
    assert shape(made.world) == made.before
    made.assert_nothing_open()
