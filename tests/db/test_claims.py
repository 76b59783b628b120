"""A job is claimed by one; what that one writes is the same on every database, in one statement or in several."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, update

from liveupdate.db import claims, clock, events, jobs, steps, tables, workers
from liveupdate.db.session import read, write
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.turns import Settled
from liveupdate.errors import LeaseLost
from liveupdate.states import StepState
from liveupdate.testing.jobs import accept, expire_lease


def test_many_workers_claim_each_job_once(database: Engine) -> None:
    made = {accept(database) for _ in range(20)}

    def claim_all(number: int) -> list[str]:
        mine = []
        while claimed := claim_next(database, f"worker-{number}", 60):
            mine.append(claimed.claim.job_id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        claimed = [job for mine in pool.map(claim_all, range(6)) for job in mine]
    assert sorted(claimed) == sorted(made)


def test_a_lease_that_ran_out_fences_its_holder_and_passes_on_with_a_higher_fence(database: Engine) -> None:
    job_id = accept(database)
    first = claim_next(database, "first", 60)
    assert first is not None
    assert claim_next(database, "second", 60) is None
    expire_lease(database, job_id)
    second = claim_next(database, "second", 60)
    assert second is not None
    assert second.claim.fence == first.claim.fence + 1
    assert (second.taken_over, second.deaths) == (True, 1)
    with pytest.raises(LeaseLost):
        Journal(database, first.claim, 60).event("test", "", {})
    Journal(database, second.claim, 60).event("test", "", {})
    with read(database) as connection:
        assert [e.type for e in events.of_job(connection, job_id)] == ["job.created", "lease.taken_over", "test"]


def test_a_holder_that_was_only_too_slow_has_not_died_with_the_job(database: Engine) -> None:
    job_id = accept(database)
    assert claim_next(database, "slow", 60) is not None
    expire_lease(database, job_id)
    write(database, lambda connection: workers.seen(connection, "slow", "1"))
    second = claim_next(database, "second", 60)
    assert second is not None
    assert (second.taken_over, second.deaths) == (True, 0)
    expire_lease(database, job_id)
    third = claim_next(database, "third", 60)
    assert third is not None
    assert (third.taken_over, third.deaths) == (True, 1), "the second was not seen since"
    write(database, lambda connection: workers.gone(connection, "slow"))


def begun(database: Engine, **changes: Any) -> Journal:
    """The journal of a claimed job whose first step has begun."""
    accept(database, **changes)
    claimed = claim_next(database, "worker", 60)
    assert claimed is not None
    journal = Journal(database, claimed.claim, 60)
    journal.next()
    return journal


def all_of(database: Engine, job_id: str) -> tuple[Any, ...]:
    with read(database) as connection:
        return jobs.get(connection, job_id), steps.of_job(connection, job_id), events.of_job(connection, job_id)


def test_going_on_writes_both_steps_the_job_and_what_is_told(database: Engine) -> None:
    journal = begun(database)
    _, rows, _ = all_of(database, journal.claim.job_id)
    turn = journal.next(Settled(rows[0], StepState.DONE, {"id": "é'\"{}"}))
    job, rows, told = all_of(database, journal.claim.job_id)
    assert (turn.job, list(turn.rows)) == (job, [replace(row, seconds=None) for row in rows])
    assert [row.state for row in rows[:3]] == [StepState.DONE, StepState.APPLYING, StepState.PENDING]
    assert (rows[0].result, rows[0].error) == ({"id": "é'\"{}"}, {})
    assert rows[0].finished_at == rows[1].started_at
    assert (job.step, job.progress, job.reason) == (rows[1].spec.id, 16, "")
    assert [(e.type, e.step, e.detail) for e in told[-2:]] == [
        ("step.done", rows[0].spec.id, {}),
        ("step.started", rows[1].spec.id, {}),
    ]


@pytest.mark.parametrize(("ago", "told"), [(-60 * jobs.GRAIN, False), (2 * jobs.GRAIN, True)])
def test_going_on_tells_the_time_of_change_once_a_second(database: Engine, ago: int, told: bool) -> None:
    """Each time goes into every index of the job."""
    journal = begun(database)
    its = tables.jobs.c.id == journal.claim.job_id
    earlier = tables.jobs.c.updated_at - ago
    write(database, lambda c: c.execute(update(tables.jobs).where(its).values(updated_at=earlier)))
    before, rows = journal.load()
    turn = journal.next(Settled(rows[0], StepState.DONE, {}))
    assert (turn.job.updated_at > before.updated_at) is told
    assert turn.job.updated_at == all_of(database, journal.claim.job_id)[0].updated_at
    turn = journal.next(Settled(turn.rows[1], StepState.DONE, {}))
    assert turn.rows[2].state == StepState.APPLYING, "it is known to be as it was"


@pytest.mark.parametrize(
    "otherwise",
    [{"fence": 9}, {"lease_owner": "another"}, {"lease_until": 1}, {"updated_at": tables.jobs.c.updated_at + 1}],
    ids=lambda changed: next(iter(changed)),
)
def test_a_job_that_is_not_as_it_was_does_not_go_on(database: Engine, otherwise: dict[str, Any]) -> None:
    refused(database, otherwise)


def test_a_job_whose_time_is_up_does_not_go_on(database: Engine) -> None:
    refused(database, {"deadline": clock.from_datetime(datetime(2001, 1, 1, tzinfo=UTC))})


def refused(database: Engine, otherwise: dict[str, Any]) -> None:
    journal = begun(database)
    job, rows, _ = all_of(database, journal.claim.job_id)
    write(database, lambda c: c.execute(update(tables.jobs).where(tables.jobs.c.id == job.id).values(**otherwise)))
    before = all_of(database, job.id)
    done, begins = replace(rows[0], state=StepState.DONE), replace(rows[1], state=StepState.APPLYING)
    held = {"of_job": job.id, "by": "worker", "at_fence": journal.claim.fence, "so_long": 1}
    assert claims.go_on(database, held, job.updated_at, 16, done, begins) is None
    assert all_of(database, job.id) == before
