"""On real guests: at no moment do two machines answer on one address, and nothing of an update stays inside."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.demo import jobs, residue, servers, voices
from lab.demo.clients import Running
from lab.settings import PATIENCE
from tests.scenarios.test_surrogate import serving, sleep_through_the_cut_over, update

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
    with serving(user, NAME, megabytes=20) as guest:
        yield guest


@pytest.fixture(autouse=True)
def nothing_stays_inside(guest: servers.Guest, clients: list[Running]) -> Iterator[None]:
    """The clients write all the time: whoever serves is heard."""
    before = residue.take(guest)
    yield
    assert residue.take(guest) == before


def test_a_surrogate_that_freezes_and_wakes_when_the_original_serves_again_is_not_heard(
    api: Any, user: Any, guest: servers.Guest
) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user, NAME)
        sleep_through_the_cut_over(api, user, guest, job)
        assert jobs.until_ended(api, job)["state"] == "undone"
    assert len(heard) == 1


def test_a_workload_that_moves_there_and_back_is_heard_from_one_machine_at_a_time(
    api: Any, user: Any, guest: servers.Guest
) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user, NAME, confirm=True)
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", 6 * PATIENCE, "the hold")
        jobs.act(api, job, "rollback")
        assert jobs.until_ended(api, job)["state"] == "undone"
    original, other, last = heard
    assert original == last != other


def test_an_updated_server_is_heard_from_one_machine_at_a_time(api: Any, user: Any, guest: servers.Guest) -> None:
    with voices.heard(guest.address) as heard:
        job = update(api, user, NAME)
        assert jobs.until_ended(api, job)["state"] == "succeeded"
    # the surrogate's own port, then the original's, which it takes over
    original, other, last = heard
    assert original == last != other
