"""Workers in the real engine, one of which is killed at a given moment; those after it go on where it was."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import Engine

from liveupdate import methods
from liveupdate.db import resources, words
from liveupdate.db.session import read
from liveupdate.engine.context import Surroundings
from liveupdate.engine.runner import Runner
from liveupdate.errors import Conflict
from liveupdate.model import Job
from liveupdate.states import FINAL, JobState, ResourceState
from liveupdate.steps.protocol import Step
from liveupdate.testing.jobs import expire_lease, look, make_due, say, work


class Killed(BaseException):
    """kill -9."""


@dataclass
class Workers:
    """``moments``: calls that doubles have told ``strike`` of so far; at the ``fatal`` one the worker dies."""

    engine: Engine
    moments: int = 0
    fatal: int = -1
    surroundings: Surroundings = field(init=False)
    steps: Mapping[str, Step] = field(init=False, default_factory=methods.steps)

    def strike(self, _: str) -> None:
        self.moments += 1
        if self.moments == self.fatal:
            raise Killed

    def work(self, job_id: str, until: Callable[[Job], bool]) -> Job:
        """Workers come as long as they are needed; the one that is killed loses its lease."""
        for _ in range(100):
            job, _ = look(self.engine, job_id)
            if until(job):
                return job
            assert job.state not in (JobState.NEEDS_ATTENTION, JobState.UNDO_FAILED), (job.step, job.reason)
            make_due(self.engine, job_id)
            try:
                claimed = work(self.engine, Runner(self.surroundings, self.steps))
                assert claimed
            except Killed:
                expire_lease(self.engine, job_id)
        raise AssertionError(f"never ends: {job.state} at {job.step}: {job.reason}")

    def cancel(self, job_id: str) -> bool:
        """False: it comes too late."""
        try:
            say(self.engine, job_id, words.cancel)
        except Conflict:
            return False
        return True

    def finish(self, job_id: str) -> Job:
        return self.work(job_id, lambda job: job.state in FINAL)

    def assert_nothing_open(self, job_id: str) -> None:
        with read(self.engine) as connection:
            lines = resources.of_job(connection, job_id)
        assert not [line for line in lines if line.state not in (ResourceState.DELETED, ResourceState.KEPT)]
