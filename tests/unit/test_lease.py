"""A worker that was outlived sends nothing out any more: neither to a cloud nor into a guest."""

import pytest
from keystoneauth1 import noauth
from sqlalchemy import Engine

from liveupdate import lease
from liveupdate.drivers.cloud.session import Session
from liveupdate.drivers.guest.connection import Connection
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.errors import LeaseLost
from liveupdate.lease import Lease
from liveupdate.testing.jobs import accept

OVER = Lease("job", until=0)


def test_a_lease_lasts_until_its_time_is_over() -> None:
    with lease.held(Lease("job", until=lease.now() + 60)):
        lease.require()
    with lease.held(OVER), pytest.raises(LeaseLost):
        lease.require()


def test_who_acts_for_no_job_needs_none() -> None:
    lease.require()
    with lease.held(OVER), lease.held(None):
        lease.require()


def test_no_call_to_the_cloud_is_made_after_it() -> None:
    with lease.held(OVER), pytest.raises(LeaseLost):
        Session(auth=noauth.NoAuth()).get("http://127.0.0.1:1/", authenticated=False)


def test_no_command_is_started_in_a_guest_after_it() -> None:
    with lease.held(OVER), pytest.raises(LeaseLost):
        Connection.start(object(), ["true"])  # type: ignore[arg-type]


def test_every_write_of_the_journal_prolongs_it_by_the_workers_own_clock(sqlite: Engine) -> None:
    accept(sqlite)
    claimed = claim_next(sqlite, "worker", 60)
    assert claimed is not None
    held = claimed.claim.lease
    assert lease.now() + 50 < held.until <= lease.now() + 60
    held.until = 0
    Journal(sqlite, claimed.claim, 30).renew()
    assert lease.now() + 20 < held.until <= lease.now() + 30
