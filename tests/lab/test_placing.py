"""The facts of the scenario of policies, on two simulated hosts: the service chooses the host that they name.

Without the policies of utilization, which a lab that has just come up cannot judge by: see test_metrics.py.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from lab import settings
from lab.demo import placing
from lab.settings import PATIENCE
from liveupdate.api.host_groups import HostGroups
from liveupdate.drivers.cloud import Clouds
from liveupdate.drivers.metrics import Nothing
from liveupdate.model import SameHost
from liveupdate.planning.groups import Rules
from liveupdate.planning.policies import POLICIES
from liveupdate.steps.fleet_facts import Wish, look

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = f"placing-{uuid.uuid4().hex[:6]}"
HOME, OTHER = settings.FAKE_HOSTS[-2:]
TWIN = {"VCPU": 1, "MEMORY_MB": 128}


@pytest.fixture(scope="module")
def groups(clouds_yaml: None) -> Iterator[HostGroups]:
    """With one group, NAME, of the two hosts."""
    groups = HostGroups(Clouds("liveupdate").infrastructure(""))
    groups.create(NAME, Rules())
    for host in (HOME, OTHER):
        groups.add_host(NAME, host)
    yield groups
    for host in groups.get(NAME).hosts:
        groups.remove_host(NAME, host)
    groups.delete(NAME)


@pytest.fixture(scope="module")
def original(admin: Any) -> Iterator[Any]:
    image, flavor = admin.image.find_image("tiny"), admin.compute.find_flavor("tiny")
    server = admin.compute.create_server(name=NAME, image_id=image.id, flavor_id=flavor.id, networks="none", host=HOME)
    yield admin.compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
    admin.compute.delete_server(server)
    admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)


def test_there_are_facts_for_each_policy() -> None:
    assert set(placing.FACTS) == set(placing.OPPOSITE) == set(POLICIES)


@pytest.mark.parametrize("policy", [name for name, policy in POLICIES.items() if not policy.measured])
def test_where_any_host_will_do_the_policy_alone_decides(
    admin: Any, groups: HostGroups, original: Any, policy: str
) -> None:
    with placing.facts(admin, policy, OTHER):
        for judge, expected in ((policy, OTHER), (placing.OPPOSITE[policy], HOME)):
            assert placing.named(admin, judge, (HOME, OTHER), TWIN) == expected
            groups.update(NAME, {"policy": judge})
            assert chosen(original.id) == expected


def chosen(server_id: str) -> str:
    cloud = Clouds("liveupdate").infrastructure("")
    server = cloud.servers.get(server_id)
    assert server is not None
    return look(cloud, Nothing(), {}, server, Wish(same_host=SameHost.ALLOW)).choice.hosts[0]
