"""Room is reserved by who owns the job, and by nobody else."""

import pytest
from sqlalchemy import Engine

from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.reservations import Reservations
from liveupdate.errors import LeaseLost
from liveupdate.testing.jobs import accept, expire_lease

TWIN = {"VCPU": 2}


def owner(engine: Engine, name: str) -> Reservations:
    claimed = claim_next(engine, name, 60)
    assert claimed is not None
    return Reservations(Journal(engine, claimed.claim, 60))


def test_a_worker_that_lost_its_job_reserves_and_gives_back_nothing(sqlite: Engine) -> None:
    job = accept(sqlite)
    frozen = owner(sqlite, "frozen")
    assert frozen.take("host1", TWIN, TWIN, 0, 600)
    expire_lease(sqlite, job)
    successor = owner(sqlite, "successor")
    for write in (
        lambda: frozen.take("host2", TWIN, TWIN, 0, 600),
        lambda: frozen.renew(600),
        frozen.release,
        lambda: frozen.refuse("host1", "no"),
    ):
        with pytest.raises(LeaseLost):
            write()
    mine = successor.mine()
    assert mine is not None
    assert (mine.host, mine.live, mine.refused) == ("host1", True, {})
    assert successor.renew(600)


def test_a_job_sees_what_others_hold_and_not_its_own(sqlite: Engine) -> None:
    accept(sqlite)
    accept(sqlite)
    one, two = owner(sqlite, "one"), owner(sqlite, "two")
    assert one.take("host1", TWIN, {"VCPU": 3}, 0, 600)
    assert one.held()["host1"].resources == {}
    assert two.held()["host1"].resources == TWIN
    assert not two.take("host1", TWIN, {"VCPU": 3}, two.held()["host1"].mark, 600)
    one.release()
    # the twin is in Placement now: one processor is left there
    assert not two.take("host1", TWIN, {"VCPU": 3}, 0, 600)
    assert two.held()["host1"].mark == 1
