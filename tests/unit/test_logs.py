"""Log lines: one JSON object each, with the ids at hand, in threads too; and no secret, wherever it hides."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
from anyio import from_thread, to_thread
from sqlalchemy import Engine

from liveupdate import logs
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import accept, look, work_once
from liveupdate.testing.steps import World

LOG = logging.getLogger("liveupdate.test")


class Written(StringIO):
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture(params=["json", "text"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def written(form: str) -> Iterator[Written]:
    stream = Written()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Json() if form == "json" else logs.Text())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_a_line_is_an_object_with_the_ids_at_hand(written: Written) -> None:
    with logs.about(request_id="req-1"), logs.about(job_id="job-1"):
        LOG.warning("first\nsecond %s", "ü")
    LOG.info("after")
    first, after = written.lines()
    assert (first["message"], first["level"], first["logger"]) == ("first\nsecond ü", "WARNING", "liveupdate.test")
    assert (first["request_id"], first["job_id"]) == ("req-1", "job-1")
    assert str(first["timestamp"]).endswith("+00:00")
    assert "job_id" not in after


@pytest.mark.parametrize(
    "secret",
    [
        "rabbit://u:hunter2@broker/",
        "mysql+pymysql://liveupdate:hunter2@db/liveupdate",
        "{'adminPass': 'hunter2'}",
        '{"password": "hunter2"}',
        "gAAAAABhunter2" + "x" * 150,
        "whsec_hunter2AAAA=",
        "X-Auth-Token: hunter2",
    ],
)
def test_no_secret_is_written(written: Written, secret: str) -> None:
    LOG.info("it says %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        LOG.exception("oh")
    assert "hunter2" not in written.getvalue()
    assert "it says" in written.getvalue()


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_what_a_step_writes_bears_its_jobs_ids(sqlite: Engine, written: Written) -> None:
    world = World()

    def tell(_: StepContext) -> None:
        LOG.warning("within")

    world.faults["apply", "copy"] = tell
    job_id = accept(sqlite)
    work_once(sqlite, world)
    [line] = [line for line in written.lines() if line["message"] == "within"]
    assert (line["job_id"], line["request_id"]) == (job_id, look(sqlite, job_id)[0].request_id)


@pytest.mark.parametrize("form", ["json"], indirect=True)
def test_ids_reach_the_threads_that_answer_requests(written: Written) -> None:
    async def main() -> None:
        with logs.about(request_id="req-1"):
            await to_thread.run_sync(LOG.warning, "from a thread")

    with from_thread.start_blocking_portal() as portal:
        portal.call(main)
    [line] = [line for line in written.lines() if line["message"] == "from a thread"]
    assert line["request_id"] == "req-1"


def test_what_libraries_tell_of_headers_is_not_written() -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        logs.begin("json", logging.DEBUG)
        assert logging.getLogger("keystoneauth.session").getEffectiveLevel() == logging.WARNING
    finally:
        logging.getLogger().handlers[:] = before[0]
        logging.getLogger().setLevel(before[1])
        logging.captureWarnings(False)


def test_strangers_words_begin_no_line_and_order_no_terminal_about(written: Written, form: str) -> None:
    words = "no room\x1b[2J\n2026-11-21 00:00:00 1 INFO liveupdate: all is well\r\x9b31m"
    LOG.warning("job %s: %s", "j", words)
    [line] = written.getvalue().splitlines()
    assert "\x1b" not in line
    assert "\x9b" not in line
    assert ("no room\\n2026" in line) if form == "text" else (written.lines()[0]["level"] == "WARNING")
