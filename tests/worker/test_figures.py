"""What Prometheus is told of jobs: counted once, labelled without ids, read from the database when asked."""

import re
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest
from sqlalchemy import Engine, text

from liveupdate import figures as told
from liveupdate.db.session import write
from liveupdate.testing.jobs import accept, expire_lease, work_once
from liveupdate.testing.samples import happening
from liveupdate.testing.steps import World
from liveupdate.worker import figures
from liveupdate.worker.figures import Figures
from liveupdate.worker.telling import Teller
from tests.waiting import PATIENCE

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-")


@pytest.fixture
def serving(sqlite: Engine) -> Iterator[Figures]:
    made = Figures(sqlite, "127.0.0.1", 0)
    yield made
    made.stop()


def sample(name: str, **labels: str) -> float:
    return told.WORKER.get_sample_value(name, labels) or 0.0


def ask(serving: Figures) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{serving.port}/metrics", timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def value(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def test_a_job_is_counted_once_with_its_steps(sqlite: Engine) -> None:
    ends = {"kind": "update", "method": "test", "outcome": "succeeded"}
    copied = {"method": "test", "step": "copy", "outcome": "done"}
    before = sample("liveupdate_jobs_ended_total", **ends), sample("liveupdate_step_seconds_count", **copied)
    accept(sqlite)
    work_once(sqlite, World())
    for _ in range(2):
        Teller(sqlite, (), 1, figures.count).fan_out()
    after = sample("liveupdate_jobs_ended_total", **ends), sample("liveupdate_step_seconds_count", **copied)
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1]


def test_a_takeover_is_counted(sqlite: Engine) -> None:
    before = sample("liveupdate_lease_takeovers_total", method="test")
    job_id = accept(sqlite)
    write(sqlite, lambda c: c.execute(text("UPDATE jobs SET lease_owner = 'dead'")))
    expire_lease(sqlite, job_id)
    work_once(sqlite, World())
    Teller(sqlite, (), 1, figures.count).fan_out()
    assert sample("liveupdate_lease_takeovers_total", method="test") - before == 1


def test_the_blackout_is_a_histogram_of_seconds() -> None:
    labels = {"method": "surrogate"}
    before = sample("liveupdate_blackout_seconds_sum", **labels)
    figures.count(happening("blackout.ended"))
    figures.count(happening("blackout.started"))
    assert sample("liveupdate_blackout_seconds_sum", **labels) - before == pytest.approx(6.22)


def test_open_jobs_and_the_age_of_the_queue_are_read_when_asked(sqlite: Engine, serving: Figures) -> None:
    assert value(ask(serving), "liveupdate_queue_age_seconds") == 0
    accept(sqlite)
    write(sqlite, lambda c: c.execute(text("UPDATE jobs SET wake_at = wake_at - 90000000")))
    answer = ask(serving)
    assert value(answer, 'liveupdate_jobs{kind="update",method="test",state="queued"}') == 1
    assert 90 <= value(answer, "liveupdate_queue_age_seconds") < 150
    assert value(answer, "liveupdate_database_up") == 1
    work_once(sqlite, World())
    assert "liveupdate_jobs{" not in ask(serving)


def test_a_database_that_is_away_is_a_figure_of_its_own(sqlite: Engine, serving: Figures) -> None:
    write(sqlite, lambda c: c.execute(text("DROP TABLE deliveries")))
    answer = ask(serving)
    assert value(answer, "liveupdate_database_up") == 0
    assert "liveupdate_queue_age_seconds" not in answer


def test_no_label_is_an_id(sqlite: Engine) -> None:
    accept(sqlite)
    work_once(sqlite, World())
    Teller(sqlite, (), 1, figures.count).fan_out()
    for registry in (told.WORKER, told.API):
        assert not ID.search(generate_latest(registry).decode())
