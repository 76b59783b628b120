"""After an update comes the capture that it was asked for: once, of the server that serves now, with its trust."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.db import events, jobs
from liveupdate.db.session import read
from liveupdate.model import Job
from liveupdate.testing.fallbacks import updated
from liveupdate.testing.jobs import accept, look
from liveupdate.worker.follow_ups import begin_captures
from liveupdate.worker.reaper import delete_trusts

WISH = {"capture": {"name": "golden", "volumes": ["data-volume"]}}


def ended(engine: Engine, **changes: Any) -> str:
    return updated(engine, **{"parameters": WISH, "trust_id": "trust", "roles": ("member",), **changes})


def captures(engine: Engine) -> list[Job]:
    with read(engine) as connection:
        return list(jobs.page(connection, project_id=None, filters={"method": "capture"}))


def reap(engine: Engine) -> list[str]:
    deleted: list[str] = []
    delete_trusts(engine, deleted.append)
    return deleted


def test_the_updated_server_is_captured_by_a_job_that_takes_the_trust_over(sqlite: Engine) -> None:
    update = ended(sqlite)
    assert reap(sqlite) == [], "it is needed yet"
    assert begin_captures(sqlite) == 1
    [job] = captures(sqlite)
    assert (job.server_id, job.trust_id, job.roles) == ("updated", "trust", ("member",))
    assert job.parameters == {"name": "golden", "volumes": ["data-volume"], "after": update}
    assert look(sqlite, update)[0].trust_id == ""
    with read(sqlite) as connection:
        [told] = [e.detail for e in events.of_job(connection, update) if e.type == "job.followed"]
    assert told == {"job_id": job.id, "method": "capture"}


def test_however_many_workers_look_there_is_one(sqlite: Engine) -> None:
    ended(sqlite)
    assert [begin_captures(sqlite) for _ in range(3)] == [1, 0, 0]
    assert len(captures(sqlite)) == 1


def test_while_another_job_has_the_server_it_waits(sqlite: Engine) -> None:
    ended(sqlite)
    accept(sqlite, server_id="updated")
    assert begin_captures(sqlite) == 0
    assert (captures(sqlite), reap(sqlite)) == ([], [])


@pytest.mark.parametrize(
    "changes", [{"parameters": {}}, {"deadline": datetime.now(UTC) - timedelta(hours=1)}], ids=["no wish", "too late"]
)
def test_otherwise_nothing_follows_and_the_trust_goes(sqlite: Engine, changes: dict[str, Any]) -> None:
    ended(sqlite, **changes)
    assert begin_captures(sqlite) == 0
    assert (captures(sqlite), reap(sqlite)) == ([], ["trust"])


def test_an_update_that_is_under_way_or_was_undone_is_not_followed(sqlite: Engine) -> None:
    accept(sqlite, parameters=WISH, trust_id="trust")
    assert begin_captures(sqlite) == 0


def test_user_data_goes_together_with_the_trust(sqlite: Engine) -> None:
    job = ended(sqlite, parameters={"names": ["web-1"], "user_data": "c2VjcmV0"})
    reap(sqlite)
    assert look(sqlite, job)[0].parameters == {"names": ["web-1"]}
