"""Host groups and placement with the lab's real Nova and Placement, on its six simulated hosts.

Each policy's host is worked out here anew from the raw answers of the services, and the surrogate lands there. The
metrics are this test's own: simulated hosts have no load.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from lab import settings as lab
from lab.demo.servers import wait_for
from lab.settings import PATIENCE
from liveupdate.api.host_groups import HostGroups
from liveupdate.drivers.cloud import Clouds
from liveupdate.errors import Conflict, Failed
from liveupdate.model import NoData, Utilization
from liveupdate.planning.groups import Rules
from liveupdate.states import ResourceState
from liveupdate.steps import place, provision
from liveupdate.steps.server_facts import describe
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble
from tests.lab.driving import drive
from tests.lab.fleet import host_group
from tests.lab.originals import trust

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("clouds_yaml"),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = f"placement-{uuid.uuid4().hex[:6]}"
HOSTS = tuple(lab.FAKE_HOSTS)
#: Servers on each host beforehand: the original's host, and a different number and size on the others.
NEIGHBOURS = {1: ("fake.large",), 2: ("tiny", "tiny", "tiny"), 3: ("fake.small", "tiny"), 4: ("tiny",)}
#: Simulated hosts have no load: host → share of processors and of memory.
BUSY = {host: Utilization((7 * n % 6) / 10, (5 * n % 6) / 10) for n, host in enumerate(HOSTS, 2)}


class Metrics:
    def utilization(self, hosts: Any) -> dict[str, Utilization | NoData]:
        return {host: BUSY.get(host, NoData("no simulated host")) for host in hosts}


@pytest.fixture(scope="module")
def groups(clouds_yaml: None) -> HostGroups:
    return HostGroups(Clouds("liveupdate").infrastructure(""))


@pytest.fixture
def group(clouds_yaml: None) -> Iterator[str]:
    """A host group of all simulated hosts."""
    with host_group(NAME, HOSTS):
        yield NAME


@pytest.fixture(scope="module")
def neighbours(admin: Any) -> Iterator[None]:
    image = admin.image.find_image("tiny", ignore_missing=False).id
    flavors = {f.name: f.id for f in admin.compute.flavors()}
    made = [
        admin.compute.create_server(
            name=f"{NAME}-neighbour", image_id=image, flavor_id=flavors[kind], networks="none", host=HOSTS[number]
        )
        for number, kinds in NEIGHBOURS.items()
        for kind in kinds
    ]
    for server in made:
        admin.compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
    yield
    for server in made:
        admin.compute.delete_server(server)
    for server in made:
        admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)


@pytest.fixture(scope="module")
def original(admin: Any, demo: Any) -> Iterator[Any]:
    """A server of project demo, which boots from a volume, moved to the first host if it is not there."""
    server, volume, port = _boot(demo, f"{NAME}-original")
    if admin.compute.get_server(server.id).compute_host != HOSTS[0]:
        admin.compute.live_migrate_server(server.id, host=HOSTS[0], block_migration="auto")
        wait_for(lambda: admin.compute.get_server(server.id).compute_host == HOSTS[0], PATIENCE, "the original's move")
    yield server
    _remove(admin, demo, server.id, port.id, volume.id)


def _boot(demo: Any, name: str) -> tuple[Any, Any, Any]:
    volume, port = (
        _volume(demo, name),
        demo.network.create_port(network_id=demo.network.find_network("lab").id, name=name),
    )
    boot = {"uuid": volume.id, "source_type": "volume", "destination_type": "volume", "boot_index": 0}
    server = demo.compute.create_server(
        name=name,
        flavor_id=demo.compute.find_flavor("tiny", ignore_missing=False).id,
        networks=[{"port": port.id}],
        block_device_mapping=[boot],
    )
    return demo.compute.wait_for_server(server, interval=0.5, wait=PATIENCE), volume, port


def _volume(demo: Any, name: str) -> Any:
    image = demo.image.find_image("tiny", ignore_missing=False).id
    volume = demo.block_storage.create_volume(name=name, size=1, image_id=image, volume_type="ceph")
    return demo.block_storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=PATIENCE)


def _remove(admin: Any, demo: Any, server_id: str, port_id: str, volume_id: str) -> None:
    if admin.compute.find_server(server_id, all_projects=True):
        admin.compute.delete_server(server_id)
        admin.compute.wait_for_delete(admin.compute.get_server(server_id), interval=0.5, wait=PATIENCE)
    demo.network.delete_port(port_id)
    demo.block_storage.delete_volume(volume_id)


@pytest.fixture
def context(admin: Any, demo: Any, original: Any) -> Iterator[MemoryContext]:
    """A job for the original, with a trust of its owner's, a port and a volume for the surrogate."""
    granted = trust(admin, demo)
    volume = _volume(demo, f"{NAME}-mirror")
    port = demo.network.create_port(network_id=demo.network.find_network("lab").id, name=f"{NAME}-surrogate")
    clouds = Clouds("liveupdate")
    made = job(id=str(uuid.uuid4()), server_id=original.id, project_id=demo.current_project_id, trust_id=granted)
    context = MemoryContext(made, clouds.user(made), clouds.service(made), {"surrogate": GuestDouble()})
    context.source = Metrics()
    server = clouds.service(made).servers.get(original.id)
    assert server is not None
    context.results = {
        "preflight": {"server": describe(clouds.service(made), server)},
        "reserve_port": {"surrogate": {"port_id": port.id}},
        "mirror": {"volume_id": volume.id},
    }
    yield context
    drive(context, provision.STEP, undo=True)
    demo.network.delete_port(port.id)
    demo.block_storage.delete_volume(volume.id)
    demo.identity.delete(f"/OS-TRUST/trusts/{granted}")


# -- host groups -------------------------------------------------------------------------------------------------------


def test_a_host_group_is_an_aggregate_that_others_see(admin: Any, groups: HostGroups) -> None:
    groups.create(NAME, Rules("packing", 80, 2, True, "striping"))
    aggregate = admin.compute.find_aggregate(NAME, ignore_missing=False)
    assert {k: v for k, v in aggregate.metadata.items() if k.startswith("liveupdate:")} == {
        "liveupdate:policy": "packing",
        "liveupdate:fill_ceiling": "80",
        "liveupdate:minimum_paths": "2",
        "liveupdate:make_room": "true",
        "liveupdate:without_metrics": "striping",
    }
    assert groups.update(NAME, {"fill_ceiling": 90}).rules == Rules("packing", 90, 2, True, "striping")
    groups.delete(NAME)
    assert admin.compute.find_aggregate(NAME) is None


def test_every_host_is_in_exactly_one_group(groups: HostGroups, group: str) -> None:
    found = {g.name: g.hosts for g in groups.list()}
    assert found[group] == HOSTS
    assert not set(HOSTS) & set(found["default"])
    other = f"{NAME}-other"
    groups.create(other, Rules())
    try:
        with pytest.raises(Conflict, match=f"host {HOSTS[0]} is in host group {group}"):
            groups.add_host(other, HOSTS[0])
        assert groups.get(other).hosts == ()
        groups.remove_host(group, HOSTS[0])
        assert HOSTS[0] in groups.get("default").hosts
    finally:
        groups.delete(other)


# -- policies ----------------------------------------------------------------------------------------------------------


def _raw(admin: Any, kind: str) -> dict[str, tuple[int, int]]:
    """host → (used, capacity) by Placement's inventories and usages."""
    found = {}
    for provider in admin.placement.get("/resource_providers").json()["resource_providers"]:
        if provider["name"] in HOSTS:
            path = f"/resource_providers/{provider['uuid']}"
            told = admin.placement.get(f"{path}/inventories").json()["inventories"][kind]
            used = admin.placement.get(f"{path}/usages").json()["usages"][kind]
            capacity = int((told["total"] - told["reserved"]) * told["allocation_ratio"])
            found[provider["name"]] = (used, capacity)
    return found


def _servers(admin: Any) -> dict[str, int]:
    on = [s.compute_host for s in admin.compute.servers(all_projects=True)]
    return {host: on.count(host) for host in HOSTS}


def _expected(admin: Any, policy: str) -> str:
    """The host by the policy's definition, the original's own left out: it is the last resort."""
    servers = _servers(admin)
    twin = {"VCPU": 1, "MEMORY_MB": 128}
    kind = "VCPU" if policy.startswith("cpu") else "MEMORY_MB"
    shares = {host: (used + twin[kind]) / capacity for host, (used, capacity) in _raw(admin, kind).items()}
    values: dict[str, dict[str, float]] = {
        "striping": {host: servers[host] for host in HOSTS},
        "packing": {host: -servers[host] for host in HOSTS},
        "cpu_allocation": shares,
        "memory_allocation": shares,
        "cpu_utilization": {host: BUSY[host].cpu for host in HOSTS},
        "memory_utilization": {host: BUSY[host].memory for host in HOSTS},
    }
    return min(HOSTS[1:], key=lambda host: (values[policy][host], host))


POLICIES = (
    "striping",
    "packing",
    "cpu_allocation",
    "memory_allocation",
    "cpu_utilization",
    "memory_utilization",
)


@pytest.mark.usefixtures("neighbours")
@pytest.mark.parametrize("policy", POLICIES)
def test_the_surrogate_lands_on_the_host_that_the_policy_names(
    admin: Any, groups: HostGroups, group: str, context: MemoryContext, policy: str
) -> None:
    groups.update(group, {"policy": policy})
    expected = _expected(admin, policy)
    placed = drive(context, place.STEP)
    assert placed["host"] == expected
    assert {told["host"] for told in placed["placement"]["hosts"]} == set(HOSTS)
    made = drive(context, provision.STEP)
    assert admin.compute.get_server(made["server_id"]).compute_host == expected
    assert made["refused"] == {}
    assert provision.STEP.probe(context).done


@pytest.mark.usefixtures("neighbours")
def test_the_servers_of_a_host_are_found(admin: Any, groups: HostGroups) -> None:
    servers = Clouds("liveupdate").infrastructure("").servers
    for number, kinds in NEIGHBOURS.items():
        there = [s.flavor.name for s in servers.on_host(HOSTS[number]) if s.name == f"{NAME}-neighbour"]
        assert sorted(there) == sorted(kinds)


@pytest.mark.usefixtures("group")
def test_when_nova_refuses_the_next_best_host_is_tried(admin: Any, context: MemoryContext) -> None:
    first = drive(context, place.STEP)["host"]
    [service] = [s for s in admin.compute.services(binary="nova-compute") if s.host == first]
    # somebody takes the host out of service just now
    admin.compute.disable_service(service, disabled_reason=NAME)
    try:
        made = drive(context, provision.STEP)
    finally:
        admin.compute.enable_service(service)
    assert list(made["refused"]) == [first]
    assert admin.compute.get_server(made["server_id"]).compute_host == made["host"] != first


# -- room --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def ten(admin: Any) -> Iterator[str]:
    """A flavor of ten processors, for simulated hosts."""
    made = admin.compute.create_flavor(name=f"{NAME}-ten", vcpus=10, ram=64, disk=1)
    admin.compute.create_flavor_extra_specs(made, {"aggregate_instance_extra_specs:hypervisor": "fake"})
    yield made.id
    admin.compute.delete_flavor(made)


@pytest.fixture
def crowd(admin: Any, ten: str) -> Iterator[list[str]]:
    """Three servers of ten processors on each of the last two hosts."""
    image = admin.image.find_image("tiny", ignore_missing=False).id
    made = [
        admin.compute.create_server(name=f"{NAME}-crowd", image_id=image, flavor_id=ten, networks="none", host=host)
        for host in HOSTS[-2:]
        for _ in range(3)
    ]
    for server in made:
        admin.compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
    yield [server.id for server in made]
    for server in made:
        admin.compute.delete_server(server)
    for server in made:
        admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)


def test_a_full_group_makes_room_and_the_surrogate_lands_there(
    admin: Any, groups: HostGroups, group: str, context: MemoryContext, crowd: list[str]
) -> None:
    for host in HOSTS[1:-2]:
        groups.remove_host(group, host)
    # 3 % of the 1024 processors of a simulated host are 30
    groups.update(group, {"fill_ceiling": 3})
    context.job = job(
        id=context.job.id,
        server_id=context.job.server_id,
        project_id=context.job.project_id,
        trust_id=context.job.trust_id,
        parameters={"same_host": "avoid"},
    )
    with pytest.raises(Failed, match="the group's ceiling is 3 %"):
        place.STEP.apply(context)
    groups.update(group, {"make_room": True})
    placed = drive(context, place.STEP)
    assert placed["host"] in HOSTS[-2:]
    [line] = context.ledger.lines
    assert (line.state, line.details["to"]) == (ResourceState.KEPT, HOSTS[0])
    assert admin.compute.get_server(line.details["server_id"]).compute_host == HOSTS[0]
    assert admin.compute.get_server(drive(context, provision.STEP)["server_id"]).compute_host == placed["host"]
    assert line.details["server_id"] in crowd
