"""What users say is obeyed, or refused, whatever a worker does at the same moment, on every database."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from sqlalchemy import Engine, update

from liveupdate.db import words
from liveupdate.db.session import write
from liveupdate.db.tables import steps
from liveupdate.engine import course
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.errors import Conflict
from liveupdate.states import StepState
from liveupdate.testing.jobs import accept, look, say


def test_a_cancel_and_the_start_of_the_pivot_exclude_each_other(database: Engine) -> None:
    """One of the two comes first, and the other knows."""
    for _ in range(12):
        job_id = accept(database)
        ready = (steps.c.job_id == job_id, steps.c.position < 3)
        done = update(steps).where(*ready).values(state=StepState.DONE)
        write(database, lambda connection, done=done: connection.execute(done))  # type: ignore[misc]
        claimed = claim_next(database, "worker", 60)
        assert claimed is not None
        journal, start = Journal(database, claimed.claim, 60), Barrier(2)

        def cancel(job_id: str = job_id, start: Barrier = start) -> bool:
            start.wait()
            try:
                say(database, job_id, words.cancel)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(1) as user:
            cancelled = user.submit(cancel)
            start.wait()
            action = journal.next().action
        started = look(database, job_id)[1]["open"].state == StepState.APPLYING
        assert (cancelled.result(), type(action)) in [(False, course.Apply), (True, course.TurnBack)]
        assert started == (not cancelled.result())
