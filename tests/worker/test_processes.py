"""Workers as processes: killed, frozen and stopped in the middle of a step."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from liveupdate.db import events
from liveupdate.db.session import read
from liveupdate.db.tables import jobs
from liveupdate.model import Plan, StepSpec
from liveupdate.states import JobState, StepState
from liveupdate.testing.jobs import STEPS, accept, look, make_due
from tests.waiting import PATIENCE, until
from tests.worker import process

#: Processes of their own, forked from one that has imported all that they need: each would take seconds to do so.
_FORKED = multiprocessing.get_context("forkserver")
_FORKED.set_forkserver_preload(["tests.worker.process"])

Start = Callable[..., ForkServerProcess]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "log").touch()
    return tmp_path


@pytest.fixture
def start(folder: Path, sqlite: Engine) -> Iterator[Start]:
    started: list[ForkServerProcess] = []

    def one(release: str = "old") -> ForkServerProcess:
        arguments = (str(sqlite.url), folder, release, folder / f"worker-{len(started)}")
        started.append(_FORKED.Process(target=process.main, args=arguments))
        started[-1].start()
        return started[-1]

    yield one
    for each in started:
        each.kill()
        each.join()


def send(worker: ForkServerProcess, number: signal.Signals) -> None:
    assert worker.pid
    os.kill(worker.pid, number)


def in_the_middle(folder: Path) -> bool:
    return (folder / "log").read_text().split() == ["prepare", "copy", "switch"]


def stops(folder: Path, number: int) -> bool:
    """The worker has heard that it shall stop."""
    return "stops" in (folder / f"worker-{number}").read_text()


def holder(engine: Engine, job_id: str) -> str:
    with read(engine) as connection:
        return str(connection.execute(select(jobs.c.lease_owner).where(jobs.c.id == job_id)).scalar_one())


def succeeded(engine: Engine, job_id: str) -> Callable[[], bool]:
    return lambda: look(engine, job_id)[0].state == JobState.SUCCEEDED


def test_a_killed_workers_job_is_finished_by_another_and_no_step_runs_twice(
    sqlite: Engine, folder: Path, start: Start
) -> None:
    job_id, first = accept(sqlite), start()
    until(lambda: in_the_middle(folder))
    first.kill()
    (folder / "gate").touch()
    start()
    until(succeeded(sqlite, job_id))
    assert (folder / "log").read_text().split() == list(STEPS)


def test_a_worker_frozen_past_its_lease_changes_nothing_when_it_wakes(
    sqlite: Engine, folder: Path, start: Start
) -> None:
    job_id, frozen = accept(sqlite), start()
    until(lambda: in_the_middle(folder))
    send(frozen, signal.SIGSTOP)
    start()
    (folder / "gate").touch()
    until(succeeded(sqlite, job_id))
    before = look(sqlite, job_id)
    send(frozen, signal.SIGCONT)
    until(lambda: "belongs to another worker now" in (folder / "worker-0").read_text())
    assert look(sqlite, job_id) == before
    assert (folder / "log").read_text().split() == list(STEPS)
    assert before[1]["open"].result["pid"] != frozen.pid
    with read(sqlite) as connection:
        assert [e.type for e in events.of_job(connection, job_id)].count("lease.taken_over") == 1


def test_a_stopped_worker_finishes_its_step_and_gives_the_job_back_at_once(
    sqlite: Engine, folder: Path, start: Start
) -> None:
    job_id, first = accept(sqlite), start()
    until(lambda: in_the_middle(folder))
    first.terminate()
    until(lambda: stops(folder, 0))
    (folder / "gate").touch()
    first.join(PATIENCE)
    assert first.exitcode == 0
    assert look(sqlite, job_id)[1]["switch"].state == StepState.DONE
    assert holder(sqlite, job_id) == ""
    start()
    until(succeeded(sqlite, job_id))
    with read(sqlite) as connection:
        assert "lease.taken_over" not in [e.type for e in events.of_job(connection, job_id)]


def test_workers_are_upgraded_one_by_one_while_jobs_run(sqlite: Engine, folder: Path, start: Start) -> None:
    """The plan that was frozen with the job counts, whatever order the new release's method has, or steps."""
    job_id, old = accept(sqlite), start()
    until(lambda: in_the_middle(folder))
    new = start("new")
    old.terminate()
    until(lambda: stops(folder, 0))
    (folder / "gate").touch()
    old.join(PATIENCE)
    assert old.exitcode == 0
    until(succeeded(sqlite, job_id))
    assert (folder / "log").read_text().split() == list(STEPS)
    done_by = [row.result["release"] for row in look(sqlite, job_id)[1].values() if row.spec.id in STEPS]
    assert done_by[:3] == ["old"] * 3
    assert done_by[3:] == ["new"] * 3
    assert new.is_alive()


def test_an_old_worker_leaves_a_new_releases_job_to_a_new_one(sqlite: Engine, folder: Path, start: Start) -> None:
    plan = Plan("test", (StepSpec("prepare", "prepare"), StepSpec("verify", "verify")), "verify")
    job_id, _ = accept(sqlite, plan=plan), start()
    until(lambda: "waits for a worker that has: verify" in look(sqlite, job_id)[0].reason)
    assert (folder / "log").read_text() == ""
    start("new")
    make_due(sqlite, job_id)

    def ended() -> bool:
        # the old one may have been first again
        if look(sqlite, job_id)[0].state == JobState.WAITING:
            make_due(sqlite, job_id)
        return succeeded(sqlite, job_id)()

    until(ended)
    assert (folder / "log").read_text().split() == ["prepare", "verify"]


def test_a_step_may_take_longer_than_the_lease(sqlite: Engine, folder: Path, start: Start) -> None:
    job_id, _, _ = accept(sqlite), start(), start()
    until(lambda: in_the_middle(folder))
    leases: set[int] = set()

    def renewed() -> bool:
        with read(sqlite) as connection:
            leases.add(connection.execute(select(jobs.c.lease_until).where(jobs.c.id == job_id)).scalar_one())
        # each renewal is a third of the lease
        return len(leases) > 5

    until(renewed)
    (folder / "gate").touch()
    until(succeeded(sqlite, job_id))
    assert (folder / "log").read_text().split() == list(STEPS)
