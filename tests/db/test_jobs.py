"""Jobs in the database: accepted once, and listed stably, on SQLite, MariaDB and PostgreSQL."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, select

from liveupdate.db import clock, jobs
from liveupdate.db.session import read, write
from liveupdate.errors import Conflict, Forbidden, Invalid, NotFound
from liveupdate.model import JobKind
from liveupdate.states import JobState
from liveupdate.testing.jobs import PLAN, accept, look, new_job, work_once
from liveupdate.testing.steps import World


def page(engine: Engine, **options: object) -> list[str]:
    with read(engine) as connection:
        found = jobs.page(connection, JobKind.UPDATE, **{"project_id": None, "filters": {}, **options})  # type: ignore[arg-type]
    return [job.id for job in found]


def test_a_job_comes_back_as_it_was_accepted(database: Engine) -> None:
    deadline = datetime(2031, 5, 6, 7, 8, 9, 123456, UTC)
    new = new_job(parameters={"kernel": "newest", "paths": ["/srv/ü"]}, roles=("member",), deadline=deadline)
    job, created = write(database, lambda connection: jobs.create(connection, new))
    assert created
    assert (job.plan, job.parameters, job.roles, job.deadline) == (PLAN, new.parameters, ("member",), deadline)
    assert abs((job.created_at - datetime.now(UTC)).total_seconds()) < 60


def test_a_plan_of_an_older_release_is_not_paused_where_nobody_said_that_it_may_be() -> None:
    stored = jobs.plan_to_json(PLAN)
    del stored["together"], stored["skippable"]
    plan = jobs.plan_from_json(stored)
    assert (plan.together, plan.skippable) == (tuple(spec.id for spec in PLAN.steps), ())


def test_the_clock_is_the_databases_and_has_fractions_of_a_second(database: Engine) -> None:
    with read(database) as connection:
        times: list[int] = []
        for _ in range(3):
            times.append(connection.execute(select(clock.now())).scalar_one())
            time.sleep(0.01)
    assert times == sorted(set(times))
    assert abs(times[0] / clock.SECOND - time.time()) < 60


def test_the_same_key_and_request_give_the_same_job(database: Engine) -> None:
    first = new_job(idempotency_key="k", request_hash="a")
    again = new_job(idempotency_key="k", request_hash="a")
    other = new_job(idempotency_key="k", request_hash="b")
    assert write(database, lambda c: jobs.create(c, first))[1]
    job, created = write(database, lambda c: jobs.create(c, again))
    assert (job.id, created) == (first.id, False)
    with pytest.raises(Conflict) as caught:
        write(database, lambda c: jobs.create(c, other))
    assert caught.value.code == "live-update.idempotency.key-reused"
    elsewhere = new_job(project_id="another", idempotency_key="k", request_hash="b")
    assert write(database, lambda c: jobs.create(c, elsewhere))[1]


def test_many_clients_with_one_key_make_one_job(database: Engine) -> None:
    def create(_: int) -> str:
        new = new_job(server_id="one", idempotency_key="k", request_hash="a")
        return write(database, lambda c: jobs.create(c, new))[0].id

    with ThreadPoolExecutor(8) as clients:
        assert len(set(clients.map(create, range(24)))) == 1


def test_many_clients_do_not_get_past_their_projects_quota(database: Engine) -> None:
    project = f"project-{time.monotonic_ns()}"

    def create(_: int) -> bool:
        try:
            accept(database, project_id=project, quota=5)
        except Forbidden:
            return False
        return True

    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(create, range(24))) == 5
    accept(database, project_id=f"{project}-other", quota=5)


def test_a_server_has_one_open_update_at_a_time(database: Engine) -> None:
    first = accept(database, server_id="one")
    with pytest.raises(Conflict, match=first):
        accept(database, server_id="one")
    while work_once(database, World()):
        pass
    accept(database, server_id="one")


def test_a_foreign_projects_job_is_not_found(database: Engine) -> None:
    job_id = accept(database, project_id="mine")
    with read(database) as connection:
        assert jobs.get(connection, job_id, "mine").id == job_id
        with pytest.raises(NotFound):
            jobs.get(connection, job_id, "theirs")


@pytest.mark.parametrize("descending", [True, False])
def test_pages_follow_each_other_without_gap_or_repetition(database: Engine, descending: bool) -> None:
    made = [accept(database) for _ in range(7)]
    seen: list[str] = []
    while more := page(database, sort=("created_at", descending), limit=3, marker=seen[-1] if seen else None):
        seen += more
    assert sorted(seen) == sorted(made)
    assert len(seen) == 7
    with read(database) as connection:
        times = [jobs.get(connection, job_id).created_at for job_id in seen]
    assert times == sorted(times, reverse=descending)


def test_lists_are_filtered(database: Engine) -> None:
    mine, _ = accept(database, project_id="mine"), accept(database, project_id="theirs")
    assert page(database, project_id="mine") == [mine]
    assert page(database, project_id="mine", filters={"state": "succeeded"}) == []
    assert page(database, changes_since=datetime(2100, 1, 1, tzinfo=UTC)) == []
    with pytest.raises(Invalid, match="marker"):
        page(database, project_id="mine", marker="nobody")


def test_a_whole_job_runs(database: Engine) -> None:
    world, job_id = World(), accept(database)
    work_once(database, world)
    job, _ = look(database, job_id)
    assert (job.state, job.progress) == (JobState.SUCCEEDED, 100)
