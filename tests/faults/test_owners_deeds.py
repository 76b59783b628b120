"""A job says what its server's owner has done to it meanwhile: while it waits for a person, and when it has ended."""

import pytest

from liveupdate.db import events, resources
from liveupdate.db.session import read
from liveupdate.states import JobState, ResourceState
from liveupdate.testing.faults import FAULTS
from liveupdate.testing.jobs import look
from tests.faults import databases
from tests.faults.doubles import Doubles
from tests.faults.matrix import trials
from tests.faults.stage import Outcome, Stage

_STOPPED = ("live-update.server.not-active", "the server is SHUTOFF by now", "start it, then try again")
_DELETED = ("live-update.server.gone", "the server is gone", "see who deleted it")
_LOST = "live-update.surrogate.gone"


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


def test_a_surrogate_that_somebody_deletes_before_the_workload_is_there_is_told_of_as_such() -> None:
    with databases.opened("sqlite") as engine:
        stage = Stage(Doubles(engine), trials(engine, [FAULTS["surrogate lost"]])["attach", "surrogate lost"][-1])
        assert stage.play() == Outcome("undone")
        job, _ = look(engine, stage.job_id)
    assert (job.state, job.code, job.reason) == (JobState.UNDONE, _LOST, "the surrogate is gone")


def test_one_that_somebody_deletes_with_the_workload_leaves_it_to_the_original_once_that_was_rebooted() -> None:
    with databases.opened("sqlite") as engine:
        stage = Stage(Doubles(engine), trials(engine, [FAULTS["surrogate lost"]])["open", "surrogate lost"][-1])
        assert stage.play() == Outcome("parked")
        job, _ = look(engine, stage.job_id)
        with read(engine) as connection:
            told = [e.detail for e in events.of_job(connection, job.id) if e.type == f"job.{JobState.UNDO_FAILED}"]
    assert (job.state, job.code) == (JobState.UNDONE, _LOST)
    assert [each["code"] for each in told] == ["live-update.cut-over.lost-while-away"]
    assert "rm /" in told[0]["remedy"]
    assert stage.ground.pair.serving == {"original"}


@pytest.mark.parametrize(("step", "point"), [("release_original", -1), ("user_space", 0), ("clean_up", 0)])
def test_an_updated_server_that_its_owner_deletes_ends_the_job_and_nothing_of_it_is_kept(step: str, point: int) -> None:
    with databases.opened("sqlite") as engine:
        stage = Stage(Doubles(engine), trials(engine, [FAULTS["surrogate lost"]])[step, "surrogate lost"][point])
        assert stage.play() == Outcome("done")
        with read(engine) as connection:
            lines = resources.of_job(connection, stage.job_id)
            told = [e.detail for e in events.of_job(connection, stage.job_id) if e.type == "progress"]
    assert "server" not in {line.kind for line in lines if line.state == ResourceState.KEPT}
    assert any("is gone" in each["text"] for each in told)
