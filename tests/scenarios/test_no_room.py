"""On real guests: a machine without the room to take its workload back keeps it safe until somebody makes some."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from lab.demo import jobs, residue, servers
from lab.demo.clients import Running
from lab.settings import PATIENCE
from tests.scenarios.test_surrogate import CUT, as_before, serving, until, update

pytestmark = [
    pytest.mark.lab,
    # as long as it has not run on two processors
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-room"
#: /run becomes as large as what is in it, and what it was.
_FULL = (
    "df -B1 --output=size /run | tail -1 > /dev/shm/size && "
    "mount -o remount,size=$(df -B1 --output=used /run | tail -1) /run; "
)
_EMPTY = "mount -o remount,size=$(cat /dev/shm/size) /run; rm /dev/shm/size /dev/shm/strike; "


@pytest.fixture(scope="module")
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    with serving(user, NAME, megabytes=20) as guest:
        yield guest


def test_a_full_run_where_the_workload_must_come_back_keeps_it_waiting_and_loses_nothing(
    api: Any, user: Any, admin: Any, guest: servers.Guest, clients: list[Running]
) -> None:
    before = residue.take(guest)
    with as_before(user, admin, guest):
        job = update(api, user, NAME)
        jobs.until_step(api, job, "pre_copy")
        # it cannot leave, and it cannot come back either: systemd loads no units
        strike = until("frozen") + CUT["both ways"] + "\n" + _FULL
        guest.ssh("cat > /dev/shm/strike && setsid -f bash /dev/shm/strike </dev/null >/dev/null 2>&1", stdin=strike)
        blocked = partial(in_its_way, api, job)
        assert "/run" in servers.wait_for(blocked, 4 * PATIENCE, "what is in its way"), jobs.told(api, job)
        original = jobs.shell(user, guest, job, "management")
        original(_EMPTY + "nft delete table inet scenario")
        servers.wait_for(
            lambda: guest.ssh("systemctl is-active kv tick", check=False) == "active\nactive",
            PATIENCE,
            "the workload, by itself",
        )
        assert jobs.until_ended(api, job)["state"] == "undone", jobs.told(api, job)
    assert residue.take(guest) == before
    for client in clients:
        findings = client.stop()
        assert (findings.errors, findings.lost) == ([], 0), client.kind


def in_its_way(api: Any, job: str) -> str:
    """What a job says that cannot bring its workload back for want of room."""
    reason = str(jobs.show(api, job)["reason"])
    return reason if "no space left" in reason or "KiB left" in reason else ""
