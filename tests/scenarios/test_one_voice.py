"""On real guests: at no moment do two machines answer on one address, and nothing of an update stays inside."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from lab.demo import jobs, residue, servers, voices
from lab.demo.clients import Running
from lab.settings import PATIENCE
from tests.scenarios.test_surrogate import UNITS, signal_hypervisor_of, surrogate, until

pytestmark = [
    pytest.mark.lab,
    # as long as it has not run on two processors
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-voice"


@pytest.fixture(scope="module")
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    servers.clean(user, NAME)
    try:
        guest = servers.boot(user, NAME, image="debian-12-pending")
        servers.start(guest, "kv", "tick", megabytes=20)
        yield guest
    finally:
        servers.clean(user, NAME)


@pytest.fixture(autouse=True)
def nothing_stays_inside(guest: servers.Guest, clients: list[Running]) -> Iterator[None]:
    """The clients write all the time: whoever serves is heard."""
    before = residue.take(guest)
    yield
    assert residue.take(guest) == before


def update(api: Any, user: Any, **parameters: Any) -> str:
    common = {"units": UNITS, "keep_fallback_days": 0, "blackout_budget_seconds": 120}
    return jobs.create(api, servers.id_of(user, NAME), **(common | parameters))


def test_a_surrogate_that_freezes_and_wakes_when_the_original_serves_again_is_not_heard(
    api: Any, user: Any, guest: servers.Guest
) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user)
        jobs.until_step(api, job, "cut_over")
        original, asleep = jobs.shell(user, guest, job, "management"), surrogate(api, job)
        original(until("frozen"))
        signal_hypervisor_of(asleep, signal.SIGSTOP)
        original(until("resumed"))
        signal_hypervisor_of(asleep, signal.SIGCONT)
        assert jobs.until_ended(api, job)["state"] == "undone"
    assert len(heard) == 1


def test_a_workload_that_moves_there_and_back_is_heard_from_one_machine_at_a_time(
    api: Any, user: Any, guest: servers.Guest
) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user, confirm=True)
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", 6 * PATIENCE, "the hold")
        jobs.act(api, job, "rollback")
        assert jobs.until_ended(api, job)["state"] == "undone"
    original, other, last = heard
    assert original == last != other


def test_an_updated_server_is_heard_from_one_machine_at_a_time(api: Any, user: Any, guest: servers.Guest) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user)
        assert jobs.until_ended(api, job)["state"] == "succeeded"
    # the surrogate's own port, then the original's, which it takes over
    original, other, last = heard
    assert original == last != other
