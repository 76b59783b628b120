"""A job says what its server's owner has done to it meanwhile: while it waits for a person, and when it has ended."""

import pytest

from liveupdate.db import events
from liveupdate.db.session import read
from liveupdate.states import JobState
from liveupdate.testing.faults import FAULTS
from liveupdate.testing.jobs import look
from tests.faults import databases
from tests.faults.doubles import Doubles
from tests.faults.matrix import trials
from tests.faults.stage import Outcome, Stage

_STOPPED = ("live-update.server.not-active", "the server is SHUTOFF by now", "start it, then try again")
_DELETED = ("live-update.server.gone", "the server is gone", "see who deleted it")


@pytest.mark.parametrize(("deed", "ends", "told"), [("shut down", "parked", _STOPPED), ("deleted", "undone", _DELETED)])
@pytest.mark.parametrize("step", ["fallback", "attach"])
def test_a_guest_that_is_silent_since_its_server_is_off_is_told_of_as_such(
    deed: str, ends: str, told: tuple[str, str, str], step: str
) -> None:
    with databases.opened("sqlite") as engine:
        trial = trials(engine, [FAULTS[deed]])[step, deed][0]
        stage = Stage(Doubles(engine), trial)
        assert stage.play() == Outcome(ends)
        job, _ = look(engine, stage.job_id)
        with read(engine) as connection:
            stuck = [e.detail for e in events.of_job(connection, job.id) if e.type == f"job.{JobState.UNDO_FAILED}"]
    assert (job.state, job.code, job.reason, job.remedy) == (JobState.UNDONE, *told)
    assert [(each["code"], each["remedy"]) for each in stuck] == ([(told[0], told[2])] if ends == "parked" else [])
