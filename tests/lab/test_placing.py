"""The facts of the scenario of policies, on two simulated hosts: the service chooses the host that they name.

Without the policies of utilization, which a lab that has just come up cannot judge by: see test_metrics.py.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from lab import settings
from lab.demo import placing
from liveupdate.api.host_groups import HostGroups
from liveupdate.drivers.metrics import Nothing
from liveupdate.model import SameHost
from liveupdate.planning.policies import POLICIES
from tests.lab.fleet import choice, host_group, server_on

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
    with host_group(NAME, (HOME, OTHER)) as groups:
        yield groups


@pytest.fixture(scope="module")
def original(admin: Any) -> Iterator[Any]:
    with server_on(admin, NAME, HOME) as server:
        yield server


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
            assert choice(Nothing(), original.id, SameHost.ALLOW).hosts[0] == expected
