"""TaskFlow, its persistence in the database: a linear flow, the serial engine."""

import uuid
from contextlib import closing
from typing import Any

from taskflow import engines, task
from taskflow.patterns import linear_flow
from taskflow.persistence import backends, models

from tests.bench.engine.load import RESULT, STEPS


class _Nothing(task.Task):
    def execute(self) -> dict[str, str]:
        return RESULT


def _backend(url: str) -> Any:
    return backends.fetch({"connection": url})


def prepare(url: str, jobs: int) -> None:
    with closing(_backend(url).get_connection()) as connection:
        connection.upgrade()


class Worker:
    def __init__(self, url: str) -> None:
        self._backend = _backend(url)

    def run(self, jobs: int) -> int:
        for _ in range(jobs):
            flow = linear_flow.Flow("bench")
            flow.add(*(_Nothing(f"step-{number:02}") for number in range(STEPS)))
            book = models.LogBook("bench")
            detail = models.FlowDetail("bench", uuid=str(uuid.uuid4()))
            book.add(detail)
            with closing(self._backend.get_connection()) as connection:
                connection.save_logbook(book)
            engines.load(flow, flow_detail=detail, book=book, backend=self._backend, engine="serial").run()
        return jobs

    def close(self) -> None:
        self._backend.close()
