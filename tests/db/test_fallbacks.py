"""Fallbacks as the ledgers tell them: whose, for which server now, until when; on every database."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, update

from liveupdate.db import clock, fallbacks, jobs, resources
from liveupdate.db.purge import purge
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.db.tables import resources as lines
from liveupdate.errors import Conflict, Invalid, NotFound
from liveupdate.methods import fallback_expire
from liveupdate.model import JobKind
from liveupdate.states import JobState, ResourceState
from liveupdate.testing.fallbacks import get, updated
from liveupdate.testing.jobs import accept, new_job


def page(engine: Engine, **options: object) -> list[str]:
    with read(engine) as connection:
        found = fallbacks.page(connection, **{"project_id": None, "filters": {}, **options})  # type: ignore[arg-type]
    return [fallback.id for fallback in found]


def due(engine: Engine) -> list[str]:
    with read(engine) as connection:
        return [fallback.id for fallback in fallbacks.due(connection)]


def finish(engine: Engine, job_id: str, state: JobState, days_ago: float = 0) -> None:
    at = clock.now() - clock.microseconds(days_ago * 86400)
    values = {"state": state, "finished_at": at, "open_server_id": None}
    write(engine, lambda c: c.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(**values)))


def test_a_fallback_is_what_an_ended_update_has_kept_and_its_server_the_one_that_serves_now(database: Engine) -> None:
    job_id = updated(database, days=7, project_id="mine")
    fallback = get(database, job_id)
    assert (fallback.id, fallback.project_id) == (job_id, "mine")
    assert (fallback.original_server_id, fallback.server_id) == ("original", "updated")
    assert fallback.port_id == "own-port"
    assert [(p.kind, p.cloud_id, p.details["size"]) for p in fallback.parts] == [
        ("snapshot", "snapshot", 3),
        ("volume", "old-volume", 3),
    ]
    assert round((fallback.kept_until - fallback.made_at).total_seconds() / 86400) == 7


def test_after_a_second_update_the_first_fallback_is_for_the_newest_server(database: Engine) -> None:
    first = updated(database, made="second-server")
    second = updated(database, server_id="second-server", made="third-server")
    assert [get(database, job_id).server_id for job_id in (first, second)] == ["third-server"] * 2
    assert set(page(database, filters={"server_id": "third-server"})) == {first, second}
    assert page(database, filters={"server_id": "second-server"}) == [first]
    assert page(database, filters={"server_id": "another"}) == []


def test_only_ended_updates_that_kept_something_are_listed(database: Engine) -> None:
    kept = updated(database)
    accept(database)
    half = updated(database, server_id="other", made="other-updated")
    finish(database, half, JobState.NEEDS_ATTENTION)
    assert page(database) == [kept]
    with pytest.raises(NotFound):
        get(database, half)


def test_pages_do_not_overlap_and_another_projects_are_not_seen(database: Engine) -> None:
    made = [updated(database, server_id=f"s{n}", made=f"t{n}", project_id="mine") for n in range(4)]
    updated(database, server_id="x", made="y", project_id="other")
    first = page(database, project_id="mine", limit=3)
    assert first + page(database, project_id="mine", marker=first[-1]) == made[::-1]
    with pytest.raises(NotFound), read(database) as connection:
        fallbacks.get(connection, made[0], "other")
    with pytest.raises(Invalid):
        page(database, marker="nobody")


def test_a_fallback_is_due_when_its_time_is_over_and_no_sooner(database: Engine) -> None:
    updated(database, days=1)
    over = updated(database, server_id="s", made="t", days=-1)
    assert due(database) == [over]


def test_whoever_begins_with_a_fallback_is_alone_with_it(database: Engine) -> None:
    job_id = updated(database, days=-1)
    fallback = get(database, job_id)
    at_once = Barrier(4)

    def begin(_: int) -> str:
        new = fallback_expire.new_job(fallback, "", f"req-{uuid.uuid4()}")
        at_once.wait()
        try:
            write(database, lambda connection: fallbacks.begin(connection, fallback, new))
        except Conflict as refused:
            return refused.code
        return "begun"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, range(4))) == ["begun", *["live-update.fallback.busy"] * 3]
    busy = get(database, job_id)
    assert busy.method == "fallback_expire"
    assert due(database) == []


def test_the_end_of_a_fallback_and_an_update_of_its_server_do_not_wait_for_each_other(database: Engine) -> None:
    fallback = get(database, updated(database))
    accept(database, server_id="updated")
    new = fallback_expire.new_job(fallback, "", "req-x")
    assert write(database, lambda connection: fallbacks.begin(connection, fallback, new))[1]


def test_a_restore_waits_for_an_update_of_its_server(database: Engine) -> None:
    fallback = get(database, updated(database))
    accept(database, server_id="updated")
    new = new_job(server_id="updated", fallback_id=fallback.id)
    with pytest.raises(Conflict) as told:
        write(database, lambda connection: fallbacks.begin(connection, fallback, new))
    assert told.value.code == "live-update.job.server-busy"


def test_the_same_request_again_answers_the_same_job(database: Engine) -> None:
    fallback = get(database, updated(database))
    asked = {"server_id": "updated", "fallback_id": fallback.id, "idempotency_key": "k", "request_hash": "h"}
    first, again = new_job(**asked), new_job(**asked)
    assert write(database, lambda c: fallbacks.begin(c, fallback, first))[1]
    job, created = write(database, lambda c: fallbacks.begin(c, fallback, again))
    assert (job.id, created) == (first.id, False)


def test_one_that_could_not_be_ended_is_tried_again_after_a_day(database: Engine) -> None:
    fallback = get(database, updated(database, days=-1))
    new = fallback_expire.new_job(fallback, "", "req-x")
    write(database, lambda connection: fallbacks.begin(connection, fallback, new))
    finish(database, new.id, JobState.UNDONE)
    assert due(database) == []
    finish(database, new.id, JobState.UNDONE, days_ago=1.01)
    assert due(database) == [fallback.id]


def test_once_its_lines_are_closed_there_is_no_fallback(database: Engine) -> None:
    job_id = updated(database, days=-1)
    snapshot, volume = get(database, job_id).parts
    write(database, lambda connection: resources.end_keeping(connection, snapshot.id, gone=True))
    assert [p.kind for p in get(database, job_id).parts] == ["volume"]
    write(database, lambda connection: resources.end_keeping(connection, volume.id, gone=False))
    assert (page(database), due(database)) == ([], [])
    with read(database) as connection:
        states = {line.cloud_id: line.state for line in resources.of_job(connection, job_id)}
    assert (states["snapshot"], states["old-volume"]) == (ResourceState.DELETED, ResourceState.KEPT)


def test_history_is_not_forgotten_as_long_as_it_keeps_a_fallback(database: Engine) -> None:
    job_id = updated(database)
    finish(database, job_id, JobState.SUCCEEDED, days_ago=400)
    assert write(database, lambda connection: purge(connection, 365)) == 0
    ended = update(lines).where(lines.c.job_id == job_id).values(keep_until=None)
    write(database, lambda connection: connection.execute(ended))
    assert write(database, lambda connection: purge(connection, 365)) == 1


def test_what_the_making_took_is_counted_from_the_intent_and_only_once(database: Engine) -> None:
    job_id = accept(database)

    def work() -> dict[str, object]:
        def ready(connection: object) -> dict[str, object]:
            line = resources.of_job(connection, job_id)[0]  # type: ignore[arg-type]
            resources.ready(connection, line)  # type: ignore[arg-type]
            return dict(resources.get(connection, line.id).details)  # type: ignore[arg-type]

        return write(database, ready)

    write(database, lambda connection: resources.add(connection, job_id, "volume", "mirror", "name", {"size": 3}))
    first = work()
    assert first["size"] == 3
    assert 0 <= float(str(first["seconds"])) < 60
    assert work() == first


def test_the_job_lists_know_the_jobs_that_end_fallbacks(database: Engine) -> None:
    fallback = get(database, updated(database))
    new = fallback_expire.new_job(fallback, "somebody", "req-x")
    write(database, lambda connection: fallbacks.begin(connection, fallback, new))
    with read(database) as connection:
        found = jobs.page(
            connection, JobKind.UPDATE, project_id=fallback.project_id, filters={"method": "fallback_expire"}
        )
    assert [(job.id, job.user_id, job.trust_id) for job in found] == [(new.id, "somebody", "")]
