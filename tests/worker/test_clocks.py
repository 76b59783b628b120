"""Workers whose clocks are ten minutes off, one ahead and one behind: leases go by the database's, nobody is robbed."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, RowMapping

from liveupdate.db import clock, events
from liveupdate.db.session import read
from liveupdate.states import JobState
from liveupdate.testing.jobs import accept, look
from tests.faults import databases
from tests.soak import verdict
from tests.soak.worker import PLAN
from tests.waiting import until
from tests.worker.gated import Gated, at_work, held

pytestmark = pytest.mark.databases

_LEASE = 8.0
#: Seconds, and what their difference may be by which a log's last line was written and bears its time.
_SKEW, _CLOSE = 600, 60
_JOBS = 6


def skewed(seconds: int) -> Mapping[str, str]:
    """The environment of a process whose clock is that much ahead; those that nobody sets are left alone."""
    library = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{seconds:+}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def ahead(log: Path) -> float:
    """Seconds, by the time that its last line bears: the file's own is the kernel's."""
    last = log.read_text().splitlines()[-1]
    return datetime.strptime(last[:19], "%Y-%m-%d %H:%M:%S").timestamp() - log.stat().st_mtime


def fences(rows: Mapping[str, RowMapping]) -> Mapping[str, int]:
    return {job_id: row["fence"] for job_id, row in rows.items()}


def takeovers(engine: Engine, job_id: str) -> list[int]:
    """When its lease was taken from a worker, by the database's clock."""
    with read(engine) as connection:
        told = [e.at for e in events.of_job(connection, job_id) if e.type == "lease.taken_over"]
    return [clock.from_datetime(at) for at in told]


@pytest.mark.parametrize("dies", [_SKEW, -_SKEW])
def test_workers_with_skewed_clocks_rob_nobody_and_inherit_what_has_run_out(dies: int, tmp_path: Path) -> None:
    cloud, logs = Gated(tmp_path), [tmp_path / "heir.log", tmp_path / "dies.log"]
    with databases.opened("postgresql") as engine:
        url = engine.url.render_as_string(hide_password=False)
        ids = [accept(engine, plan=PLAN) for _ in range(_JOBS)]
        with (
            at_work(url, tmp_path, logs[0], _LEASE, skewed(-dies)) as heir,
            at_work(url, tmp_path, logs[1], _LEASE, skewed(dies)) as dying,
        ):
            until(lambda: cloud.in_the_middle() == 4, lambda: "".join(log.read_text() for log in logs))
            for log, skew in zip(logs, (-dies, dies), strict=True):
                assert abs(ahead(log) - skew) < _CLOSE, "the clock is skewed"
            first = [held(engine, worker) for worker in (heir, dying)]
            assert [len(each) for each in first] == [2, 2]
            over = max(row["lease_until"] for each in first for row in each.values()) + clock.microseconds(_LEASE)

            def renewed() -> bool:
                now = [held(engine, worker) for worker in (heir, dying)]
                assert [fences(each) for each in now] == [fences(each) for each in first], "somebody was robbed"
                return all(row["lease_until"] > over for each in now for row in each.values())

            # they stand still for longer than a lease
            until(renewed)
            left = held(engine, dying)
            dying.kill()
            cloud.let_on(ids)
            until(lambda: all(look(engine, i)[0].state == JobState.SUCCEEDED for i in ids))
        assert not [*verdict.by_the_journal(engine), *verdict.by_the_cloud(cloud, ids, cloud.calls())]
        inherited = {i: at for i in ids if (at := takeovers(engine, i))}
        assert {*inherited} == {*left}
        assert all(len(at) == 1 and at[0] >= left[i]["lease_until"] for i, at in inherited.items())
