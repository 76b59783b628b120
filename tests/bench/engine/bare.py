"""No engine: two transactions a step, the intent and the result, as short as they can be in the same library."""

import uuid

from sqlalchemy import JSON, Column, Engine, Integer, MetaData, String, Table, bindparam, insert, update

from liveupdate.db import clock
from liveupdate.db.session import open_engine
from tests.bench.engine.load import RESULT, STEPS

_METADATA = MetaData()
_STEPS = Table(
    "bare_steps",
    _METADATA,
    Column("job_id", String(36), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("state", String(20)),
    Column("at", clock.now().type.__class__),
    Column("result", JSON),
)
_HERE = (_STEPS.c.job_id == bindparam("job"), _STEPS.c.position == bindparam("here"))
_BEGIN = update(_STEPS).where(*_HERE).values(state="applying", at=clock.now())
_END = update(_STEPS).where(*_HERE).values(state="done", at=clock.now(), result=RESULT)


def prepare(url: str, jobs: int) -> None:
    engine = open_engine(url)
    _METADATA.create_all(engine)
    engine.dispose()


class Worker:
    def __init__(self, url: str) -> None:
        self._engine: Engine = open_engine(url)

    def run(self, jobs: int) -> int:
        for _ in range(jobs):
            job = str(uuid.uuid4())
            with self._engine.begin() as connection:
                rows = [{"job_id": job, "position": n, "state": "pending", "at": 0, "result": {}} for n in range(STEPS)]
                connection.execute(insert(_STEPS), rows)
            for number in range(STEPS):
                for statement in (_BEGIN, _END):
                    with self._engine.begin() as connection:
                        connection.execute(statement, {"job": job, "here": number})
        return jobs

    def close(self) -> None:
        self._engine.dispose()
