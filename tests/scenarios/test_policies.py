"""One update for each placement policy: its job takes the server to the host that the policy's definition names.

A group of the two real hosts, where the server's own is as good as the other (--same-host allow). Before each job facts
are set by which its policy names the other host and the opposite policy the server's own; both are worked out here from
what Nova, Placement and Prometheus hold. So the server goes to and fro, and the choice is never a matter of course.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import settings
from lab.demo import inventory, jobs, placing, servers, service
from lab.demo.clients import run_client
from liveupdate.drivers.metrics import make
from liveupdate.model import NoData
from liveupdate.settings import load

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-policies"
TWIN = {"VCPU": 2, "MEMORY_MB": 1536}
#: A lab that has just come up has no mean of 15 minutes yet.
YOUNG = 1800


@pytest.fixture(scope="module")
def guest(user: Any, admin: Any, api: Any) -> Iterator[servers.Guest]:
    servers.clean(user, NAME)
    try:
        guest = servers.boot(user, NAME, image="debian-12-pending", data_type=None)
        servers.start(guest, "tick")
        yield guest
    finally:
        servers.clean(user, NAME)


@pytest.fixture(scope="module")
def figures(admin: Any, guest: servers.Guest) -> Iterator[None]:
    """Four jobs go to and fro before the policies of utilization: the server will be where it is now."""
    home = host_of(admin)
    [other] = set(settings.REAL_HOSTS) - {home}
    with placing.crossed(home, other):
        yield


@pytest.fixture(scope="module")
def operator(admin: Any, api: Any) -> Iterator[Any]:
    """The API as an administrator calls it, with the group of the two hosts."""
    operator = service.api(admin)
    remove_group(operator)
    operator.post("/v1/host-groups", json={"host_group": {"name": NAME}})
    for host in settings.REAL_HOSTS:
        operator.post(f"/v1/host-groups/{NAME}/hosts", json={"host": host})
    yield operator
    remove_group(operator)


def remove_group(operator: Any) -> None:
    """Also what an earlier run has left."""
    for host in settings.REAL_HOSTS:
        operator.delete(f"/v1/host-groups/{NAME}/hosts/{host}", raise_exc=False)
    operator.delete(f"/v1/host-groups/{NAME}", raise_exc=False)


def host_of(admin: Any) -> str:
    found = admin.compute.find_server(NAME, all_projects=True, ignore_missing=False)
    return str(admin.compute.get_server(found.id).compute_host)


def measured() -> bool:
    """By the service's own settings."""
    source = make(load(config_files=[settings.ETC / "liveupdate.conf"]).metrics)
    return not any(isinstance(seen, NoData) for seen in source.utilization(settings.REAL_HOSTS).values())


@pytest.mark.usefixtures("figures")
@pytest.mark.parametrize("policy", placing.FACTS)
def test_the_job_takes_the_server_to_the_host_that_the_policy_names(
    api: Any, user: Any, admin: Any, operator: Any, guest: servers.Guest, policy: str
) -> None:
    home = host_of(admin)
    [other] = set(settings.REAL_HOSTS) - {home}
    operator.patch(f"/v1/host-groups/{NAME}", json={"host_group": {"policy": policy}})
    if policy.endswith("utilization"):
        servers.wait_for(measured, YOUNG, "Prometheus has 13 of the last 15 minutes of both hosts")
    with placing.facts(admin, policy, other):
        hosts = (home, other)
        assert placing.named(admin, policy, hosts, TWIN) == other, "the facts are not as this test needs them"
        assert placing.named(admin, placing.OPPOSITE[policy], hosts, TWIN) == home, "any policy would go there"
        before, client = inventory.take(admin), run_client("tick", guest.address)
        server = servers.id_of(user, NAME)
        job = jobs.create(
            api,
            server,
            units=[{"name": "tick.service"}],
            # the same kernel, booted afresh: it is the place that counts
            kernel=None,
            same_host="allow",
            keep_fallback_days=0,
            blackout_budget_seconds=120,
        )
        ended, felt = jobs.until_ended(api, job), client.stop()
        placed = operator.get(f"/v1/placements/{job}").json()["placement"]
        left = inventory.left_behind(admin, before, jobs.kept(api, job))
    assert ended["state"] == "succeeded", ended["reason"]
    assert (placed["host"], placed["policy"], placed["group"], placed["note"]) == (other, policy, NAME, "")
    assert host_of(admin) == other
    assert (felt.errors, felt.lost) == ([], 0)
    assert left == []
