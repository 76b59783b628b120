"""Whether pages of lists cost the same at any depth: python -m tests.bench.lists [jobs events [database]]

Through the whole API, on each database, with 100,000 jobs (of ten projects) and 1,000,000 events: the first page beside
pages at a tenth, a half and nearly the end, interleaved. Prints medians, and the largest ratio to the first.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, insert, select, text

from liveupdate.api.app import build_app
from liveupdate.db import jobs as jobs_of
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, read, write
from liveupdate.db.tables import events, jobs
from liveupdate.settings import Limits
from liveupdate.states import FINAL, JobState
from liveupdate.testing.jobs import new_job, unreachable
from tests.api.conftest import Cloud, as_, services_of
from tests.db import servers

ROUNDS, LIMIT, PROJECTS, BATCH = 30, 100, 10, 1000
DEPTHS = (0.0, 0.1, 0.5, 0.9)
QUERIES = {
    "of a project": "sort=created_at:desc",
    "of a project, by name": "sort=server_name:asc",
    "of a project, succeeded": "state=succeeded",
    "of a project, changed": "changes-since=2020-01-01T00:00:00Z",
    "of all projects": "all_projects=true",
}


def fill(engine: Engine, count: int, told: int) -> str:
    """The id of the job with all the events."""
    template = jobs_of._row(new_job())
    states = sorted(JobState)
    for start in range(0, count, BATCH):
        rows = [_job(template, number, states) for number in range(start, min(count, start + BATCH))]
        write(engine, lambda connection, rows=rows: connection.execute(insert(jobs), rows))  # type: ignore[misc]
    with read(engine) as connection:
        job_id = str(connection.scalar(select(jobs.c.id).limit(1)))
    event = {"job_id": job_id, "type": "step.done", "step": "copy", "detail": {}, "at": 0}
    for _ in range(0, told, BATCH):
        write(engine, lambda connection: connection.execute(insert(events), [event] * BATCH))
    write(engine, _analyze)
    return job_id


def _job(template: dict[str, Any], number: int, states: list[JobState]) -> dict[str, Any]:
    state, at = states[number % len(states)], 1_700_000_000_000_000 + number // 3
    return template | {
        "id": f"{number * 2654435761 % 2**32:08x}-0000-4000-8000-{number:012x}",
        "project_id": f"project-{number % PROJECTS}",
        "server_name": f"server-{number % 5000:04}",
        "state": state,
        "open_server_id": None if state in FINAL else f"{number:036}",
        **dict.fromkeys(("created_at", "updated_at", "wake_at"), at),
    }


def _analyze(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        every = "ANALYZE TABLE jobs, events" if connection.dialect.name in ("mysql", "mariadb") else "ANALYZE"
        connection.execute(text(every))


def measure(api: TestClient, path: str, query: str, key: str) -> str:
    pages = _pages(api, path, query, key)
    links = [pages[min(len(pages) - 1, int(depth * len(pages)))] for depth in DEPTHS]
    took: list[list[float]] = [[] for _ in links]
    for _ in range(ROUNDS):
        for seconds, link in zip(took, links, strict=True):
            begun = time.perf_counter()
            assert api.get(link).status_code == 200
            seconds.append(time.perf_counter() - begun)
    medians = [1000 * median(seconds) for seconds in took]
    told = ", ".join(f"{depth:.0%} {ms:.1f} ms" for depth, ms in zip(DEPTHS, medians, strict=True))
    return f"{len(pages)} pages: {told}; ratio {max(medians) / medians[0]:.2f}"


def _pages(api: TestClient, path: str, query: str, key: str) -> list[str]:
    """Every page's link, by walking them all."""
    link, found, seen = f"{path}?limit=1000&{query}", [], 0
    while link:
        found.append(link.replace("limit=1000", f"limit={LIMIT}"))
        page = api.get(link).json()
        seen += len(page[key])
        link = next((x["href"] for x in page["links"] if x["rel"] == "next"), "")
    assert seen > 0
    return found


@contextmanager
def sqlite(folder: Path) -> Iterator[str]:
    yield f"sqlite:///{folder}/liveupdate.sqlite"


def main(count: int, told: int, only: str) -> None:
    for name, serve in (("sqlite", sqlite), ("mariadb", servers.mariadb), ("postgresql", servers.postgresql)):
        if only not in ("", name):
            continue
        with tempfile.TemporaryDirectory(prefix="liveupdate-bench-") as folder, serve(Path(folder)) as url:
            engine = open_engine(url)
            upgrade(engine)
            job_id = fill(engine, count, told)
            services = replace(services_of(engine, Cloud(), unreachable), limits=Limits(rate_limit=0))
            app = build_app(services)
            with TestClient(app, headers=as_("admin@project-3")) as api:
                for title, query in QUERIES.items():
                    print(f"{name}: jobs {title}: {measure(api, '/v1/jobs', query, 'jobs')}", flush=True)
                answer = measure(api, f"/v1/jobs/{job_id}/events", "", "events")
                print(f"{name}: events of one job: {answer}", flush=True)
            engine.dispose()


if __name__ == "__main__":
    given = [*sys.argv[1:], *("100000", "1000000", "")[len(sys.argv) - 1 :]]
    main(int(given[0]), int(given[1]), given[2])
