"""A database that is killed in the middle of jobs and stays away: they go on once it is back, and lose nothing."""

import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import OperationalError

from liveupdate.db import events
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, read
from liveupdate.db.tables import jobs
from liveupdate.states import FINAL, STUCK
from liveupdate.testing.jobs import accept
from tests.db import servers
from tests.soak import verdict
from tests.soak.worker import PLAN
from tests.waiting import PATIENCE, until
from tests.worker.gated import Gated, at_work, held

pytestmark = pytest.mark.databases

_SERVERS = {"mariadb": servers.mariadb_server, "postgresql": servers.postgresql_server}
#: Seconds that the database is away; leases that outlast it, and the test's patience, and that do not.
_AWAY, _LONG, _SHORT = 30.0, 600.0, 8.0
_JOBS = 8
#: Of a worker in a second: the watcher's four, the main thread's, the heartbeat's, one for each job in hand, and more.
_TRIES = 12


def ended(engine: Engine) -> int:
    with read(engine) as connection:
        there = jobs.c.state.in_(FINAL) | jobs.c.state.in_(STUCK)
        return connection.execute(select(func.count()).select_from(jobs).where(there)).scalar_one()


def answers(engine: Engine) -> bool:
    try:
        return ended(engine) >= 0
    except OperationalError:
        return False


def said(log: Path) -> Counter[str]:
    return Counter(line.partition("] ")[2] for line in log.read_text().splitlines())


@pytest.mark.parametrize("name", _SERVERS)
def test_jobs_go_on_when_a_database_that_was_gone_for_half_a_minute_is_back(name: str, tmp_path: Path) -> None:
    """One worker's leases outlast it; the other one's jobs are anybody's when the database is back."""
    cloud, logs = Gated(tmp_path), [tmp_path / "long.log", tmp_path / "short.log"]
    # not in pytest's folder, which each run of it closes to the server's user
    with tempfile.TemporaryDirectory(prefix="liveupdate-outage-") as place, _SERVERS[name](Path(place)) as server:
        engine = open_engine(server.url)
        upgrade(engine)
        ids = [accept(engine, plan=PLAN) for _ in range(_JOBS)]
        with (
            at_work(server.url, tmp_path, logs[0], _LONG) as long,
            at_work(server.url, tmp_path, logs[1], _SHORT) as short,
        ):
            until(lambda: cloud.in_the_middle() == 4, lambda: "".join(log.read_text() for log in logs))
            in_hand = [[*held(engine, worker)] for worker in (long, short)]
            assert [len(each) for each in in_hand] == [2, 2]
            server.kill()
            gone_since, tried = time.monotonic(), cloud.connects()
            # one step of each ends without a database, the others later
            for (first, _), log in zip(in_hand, logs, strict=True):
                cloud.let_on([first])
                until(lambda f=first, log=log: f"job {f}: the database does not answer" in log.read_text())  # type: ignore[misc]
            while time.monotonic() < gone_since + _AWAY:
                assert (long.poll(), short.poll()) == (None, None)
                time.sleep(0.1)
            tried = cloud.connects() - tried
            assert max(tried.values()) < _TRIES * _AWAY, "they wait, and do not try again and again"
            server.start()
            back_since = time.monotonic()
            until(lambda: answers(engine))
            until(lambda: ended(engine))
            print(f"{name}: {time.monotonic() - back_since:.1f} s to the first end, {tried}")
            cloud.let_on(ids)
            until(lambda: ended(engine) == _JOBS)
            print(f"{name}: {time.monotonic() - back_since:.1f} s to the last end")
            until(lambda: all("can watch again, after " in log.read_text() for log in logs))
            for worker in (long, short):
                worker.terminate()
            assert [worker.wait(PATIENCE) for worker in (long, short)] == [0, 0]
        assert not [*verdict.by_the_journal(engine), *verdict.by_the_cloud(cloud, ids, cloud.calls())]
        with read(engine) as connection:
            taken_over = {i for i in ids if "lease.taken_over" in [e.type for e in events.of_job(connection, i)]}
        assert not taken_over & {*in_hand[0]}, "its lease outlasts the outage"
        engine.dispose()
    for log in logs:
        once = {line: times for line, times in said(log).items() if line.startswith(("cannot ", "can ", "job "))}
        assert {*once.values()} == {1}, once
        assert any(line.startswith("cannot watch: the database does not answer: ") for line in once)
        assert "Traceback" not in log.read_text()
