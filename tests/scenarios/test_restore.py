"""A real guest is updated and comes back from its fallback by one command: at its old kernel, on its own address."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import apt_source
from lab.demo import inventory, jobs, servers
from lab.settings import PATIENCE

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-restore"


@pytest.fixture
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    servers.clean(user, NAME)
    try:
        # nothing newer is on its disk: the update installs the kernel, and the fallback knows only the old one
        guest = servers.boot(user, NAME)
        servers.start(guest, "kv")
        yield guest
    finally:
        servers.clean_fallbacks(user)
        servers.clean(user, NAME)


def fallbacks(api: Any, server: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/v1/fallbacks?server_id={server}").json()["fallbacks"]
    return found


def ended(api: Any, answer: Any) -> None:
    """The job that was accepted, at its end."""
    assert answer.status_code == 202, answer.text
    job = jobs.until_ended(api, answer.json()["job"]["id"])
    assert job["state"] == "succeeded", job["reason"]


def test_an_updated_server_comes_back_at_its_old_kernel_and_its_data_stays(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    before = inventory.take(admin)
    assert guest.kernel != apt_source.kernel()
    job = jobs.create(api, guest.id, units=[{"name": "kv.service"}], keep_fallback_days=1, blackout_budget_seconds=120)
    assert jobs.until_ended(api, job)["state"] == "succeeded"
    assert guest.ssh("uname -r") == apt_source.kernel()
    [fallback] = fallbacks(api, servers.id_of(user, NAME))
    assert (fallback["id"], fallback["kind"]) == (job, "snapshot")
    ended(api, api.post(f"/v1/fallbacks/{job}/actions", json={"action": "restore"}, raise_exc=False))
    servers.wait_for(lambda: servers.answers(guest.address, guest.host_key), PATIENCE, "ssh, by the same host key")
    assert guest.ssh("uname -r") == guest.kernel
    servers.wait_for(lambda: guest.ssh("systemctl is-active kv", check=False) == "active", PATIENCE, "the workload")
    restored = user.compute.get_server(servers.id_of(user, NAME))
    assert user.network.get_port(guest.port_id).device_id == restored.id
    attached = [a.volume_id for a in user.compute.volume_attachments(restored.id)]
    assert guest.data_volume_id in attached
    every = fallbacks(api, restored.id)
    assert len(every) == 2
    for one in every:
        ended(api, api.delete(f"/v1/fallbacks/{one['id']}", raise_exc=False))
    assert fallbacks(api, restored.id) == []
    assert inventory.left_behind(admin, before, {restored.id, *attached}) == []
