"""A worker whose disk is full, with its database and its log on it: it waits for room, and loses nothing."""

import multiprocessing
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from liveupdate.db import clock
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, read
from liveupdate.db.tables import jobs
from liveupdate.states import JobState
from liveupdate.testing.jobs import STEPS, accept, look
from tests.waiting import until
from tests.worker import process

# to have a file system of one's own takes root, as do the databases
pytestmark = pytest.mark.databases


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for little more than the database."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def test_a_worker_whose_disk_is_full_goes_on_once_there_is_room(tmp_path: Path, small: Path) -> None:
    engine = open_engine(f"sqlite:///{small}/journal")
    upgrade(engine)
    (tmp_path / "log").touch()
    job_id = accept(engine)
    worker = multiprocessing.get_context("forkserver").Process(
        target=process.main, args=(str(engine.url), tmp_path, "old", small / "worker.log")
    )
    worker.start()
    try:
        until(lambda: (tmp_path / "log").read_text().split()[-1:] == ["switch"])
        ballast = fill(small)
        (tmp_path / "gate").touch()

        def lease_is_over() -> bool:
            with read(engine) as connection:
                lease: int = connection.execute(select(jobs.c.lease_until).where(jobs.c.id == job_id)).scalar_one()
                return lease < clock.from_datetime(clock.read(connection))

        until(lease_is_over)
        assert look(engine, job_id)[0].state == JobState.RUNNING
        ballast.unlink()
        until(lambda: look(engine, job_id)[0].state == JobState.SUCCEEDED)
        assert worker.is_alive()
        assert (tmp_path / "log").read_text().split() == list(STEPS)
    finally:
        worker.kill()
        worker.join()
        engine.dispose()
