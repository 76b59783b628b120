"""The worker's loop in this process: nudged, many jobs at once, trusts deleted, changes seen."""

import logging
from collections.abc import Iterator, Mapping
from threading import Barrier, Event, Thread

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from liveupdate.db import events
from liveupdate.db.session import read
from liveupdate.errors import CloudError, Retry, Watch
from liveupdate.settings import Worker as WorkerSettings
from liveupdate.states import JobState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import STEPS, accept, expire_lease, look, surroundings
from liveupdate.testing.steps import World
from liveupdate.worker.main import Worker
from tests.waiting import PATIENCE, until

HOUR = 3600.0


class Cloud:
    """What the worker itself asks of the cloud."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}
        self.asked = 0
        self.deleted: list[str] = []
        self.stubborn: set[str] = set()

    def look(self, kind: str) -> Mapping[str, str]:
        self.asked += 1
        return self.seen

    def delete_trust(self, trust: str) -> None:
        if trust in self.stubborn:
            self.stubborn.discard(trust)
            raise CloudError("Keystone is away", status=503)
        self.deleted.append(trust)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def forgotten() -> list[str]:
    return []


def build(engine: Engine, world: World, cloud: Cloud, poll: float, forgotten: list[str]) -> Worker:
    settings = WorkerSettings(threads=4, lease=60, poll_interval=poll)
    steps = world.steps(*STEPS)
    return Worker(
        engine,
        settings,
        surroundings(),
        steps,
        look=cloud.look,
        delete_trust=cloud.delete_trust,
        forget=forgotten.append,
    )


@pytest.fixture
def worker(sqlite: Engine, world: World, cloud: Cloud, forgotten: list[str]) -> Iterator[Worker]:
    made = build(sqlite, world, cloud, 0.1, forgotten)
    thread = Thread(target=made.run)
    thread.start()
    yield made
    made.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def state(engine: Engine, job_id: str) -> JobState:
    return look(engine, job_id)[0].state


def test_jobs_run_beside_each_other(sqlite: Engine, worker: Worker, world: World, forgotten: list[str]) -> None:
    together = Barrier(3)

    def meet(_: StepContext) -> None:
        together.wait(PATIENCE)

    # the double's world is one for all jobs: each takes one of the faults, and none goes on alone
    for step in ("prepare", "copy", "switch"):
        world.faults["apply", step] = meet
    ids = [accept(sqlite) for _ in range(3)]
    until(lambda: all(state(sqlite, job) == JobState.SUCCEEDED for job in ids))
    until(lambda: sorted(forgotten) == sorted(ids))


def test_a_job_whose_database_went_away_goes_on_long_before_its_lease_is_over(
    sqlite: Engine, worker: Worker, world: World
) -> None:
    def gone(_: StepContext) -> None:
        raise OperationalError("", {}, Exception("server closed the connection"))

    world.faults["applied", "copy"] = gone
    job_id = accept(sqlite)
    until(lambda: state(sqlite, job_id) == JobState.SUCCEEDED)
    with read(sqlite) as connection:
        assert "lease.taken_over" not in [e.type for e in events.of_job(connection, job_id)]


def test_what_a_job_has_open_stays_until_its_last_thread_has_put_it_down(
    sqlite: Engine, worker: Worker, world: World, forgotten: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Its lease is over: the same worker takes it over, while a thread of it is still in a step."""
    caplog.set_level(logging.INFO)
    inside, first, second = Event(), Event(), Event()

    def stand_still(_: StepContext) -> None:
        inside.set()
        first.wait(PATIENCE)

    def go_on(_: StepContext) -> None:
        second.wait(PATIENCE)

    world.faults["apply", "copy"] = stand_still
    world.faults["apply", "switch"] = go_on
    job_id = accept(sqlite)
    assert inside.wait(PATIENCE)
    expire_lease(sqlite, job_id)
    until(lambda: look(sqlite, job_id)[0].step == "switch")
    first.set()
    until(lambda: "belongs to another worker now" in caplog.text)
    second.set()
    until(lambda: state(sqlite, job_id) == JobState.SUCCEEDED)
    worker.stop()
    until(lambda: "has stopped" in caplog.text)
    assert forgotten == [job_id]


def test_a_trust_is_deleted_when_its_job_ends_also_if_it_takes_a_second_try(
    sqlite: Engine, worker: Worker, cloud: Cloud
) -> None:
    cloud.stubborn.add("trust-1")
    job_id = accept(sqlite, trust_id="trust-1")
    until(lambda: cloud.deleted == ["trust-1"])
    until(lambda: look(sqlite, job_id)[0].trust_id == "")


def test_a_waiting_job_goes_on_when_what_it_watches_changes(
    sqlite: Engine, worker: Worker, world: World, cloud: Cloud
) -> None:
    cloud.seen = {"server-1": "BUILD/spawning"}

    def wait(_: StepContext) -> None:
        raise Retry(HOUR, "waits for ACTIVE", watch=Watch("server", "server-1", "BUILD/spawning"), counts=False)

    world.faults["apply", "copy"] = wait
    job_id = accept(sqlite)
    until(lambda: cloud.asked > 1)
    assert state(sqlite, job_id) == JobState.WAITING
    cloud.seen = {"server-1": "ACTIVE/"}
    until(lambda: state(sqlite, job_id) == JobState.SUCCEEDED)


def test_a_nudge_wakes_a_worker_that_would_look_in_an_hour(
    sqlite: Engine, world: World, cloud: Cloud, forgotten: list[str]
) -> None:
    worker = build(sqlite, world, cloud, HOUR, forgotten)
    thread = Thread(target=worker.run)
    thread.start()
    job_id = accept(sqlite)

    def nudged() -> bool:
        worker.nudged.set()
        return state(sqlite, job_id) == JobState.SUCCEEDED

    until(nudged)
    worker.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
