"""DBOS: a workflow with a step after the other."""

import uuid

from dbos import DBOS, DBOSConfig

from tests.bench.engine.load import RESULT, STEPS


@DBOS.step()
def _nothing() -> dict[str, str]:
    return RESULT


@DBOS.workflow()
def _job() -> None:
    for _ in range(STEPS):
        _nothing()


def prepare(url: str, jobs: int) -> None:
    Worker(url).close()


class Worker:
    def __init__(self, url: str) -> None:
        config: DBOSConfig = {
            "name": "bench",
            "system_database_url": url.replace("+psycopg", ""),
            "log_level": "ERROR",
            # each process goes on with what is its own
            "executor_id": str(uuid.uuid4()),
        }
        DBOS(config=config)
        DBOS.launch()

    def run(self, jobs: int) -> int:
        for _ in range(jobs):
            _job()
        return jobs

    def close(self) -> None:
        DBOS.destroy()
