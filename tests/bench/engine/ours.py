"""Our engine: workers claim jobs from one database, each drives one at a time."""

from sqlalchemy import Engine

from liveupdate.db import tables
from liveupdate.db.session import open_engine
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import Runner
from liveupdate.model import Json, Plan, StepSpec
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.testing.jobs import accept, surroundings
from tests.bench.engine.load import RESULT, STEPS

_NAMES = tuple(f"step-{number:02}" for number in range(STEPS))
_PLAN = Plan("bench", tuple(StepSpec(name, name) for name in _NAMES), _NAMES[-1])
_LEASE = 60.0


def prepare(url: str, jobs: int) -> None:
    engine = open_engine(url)
    tables.metadata.create_all(engine)
    for _ in range(jobs):
        accept(engine, plan=_PLAN)
    engine.dispose()


class Worker:
    def __init__(self, url: str) -> None:
        self._engine: Engine = open_engine(url)
        steps = {name: Step(name, name, _probe, _apply, _undo) for name in _NAMES}
        self._runner = Runner(surroundings(), steps)

    def run(self, jobs: int) -> int:
        """Up to so many jobs: others may be at them, too."""
        done = 0
        while done < jobs and (claimed := claim_next(self._engine, "bench", _LEASE)):
            self._runner.run(Journal(self._engine, claimed.claim, _LEASE), claimed)
            done += 1
        return done

    def close(self) -> None:
        self._engine.dispose()


def _probe(_: StepContext) -> Probe:
    return NOT_DONE


def _apply(_: StepContext) -> Json:
    return RESULT


def _undo(_: StepContext) -> None:
    raise AssertionError("nothing fails here")
