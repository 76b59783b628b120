"""Which hosts there are, as Nova tells it."""

from types import SimpleNamespace
from typing import Any

from liveupdate.drivers.cloud.hosts import Host, Hosts
from tests.drivers.cloud.answers import Service


def hypervisor(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"provider-{number}",
        "hypervisor_hostname": f"host{number}.example",
        "state": "up",
        "status": "enabled",
        "service": {"host": f"host{number}", "disabled_reason": None},
        "servers": [],
        **changes,
    }


def listed(
    *pages: list[dict[str, Any]], aggregates: tuple[Any, ...] = (), with_servers: bool = False
) -> tuple[list[Host], Service]:
    service = Service(
        {"GET /os-hypervisors/detail": [{"hypervisors": p} for p in pages], "aggregates": list(aggregates)}
    )
    return Hosts(service).list(with_servers), service


def test_a_host_is_known_by_its_services_name_and_its_provider() -> None:
    servers = [{"uuid": "b", "name": "instance-2"}, {"uuid": "a", "name": "instance-1"}]
    [host], service = listed([hypervisor(1, servers=servers)], with_servers=True)
    assert host == Host("host1", "nova", True, True, "", {}, "provider-1", ("a", "b"))
    assert service.asked[0][1]["params"]["with_servers"] == "true"


def test_servers_are_only_asked_for_where_they_count() -> None:
    [host], service = listed([hypervisor(1)])
    assert host.servers == ()
    assert service.asked[0][1]["params"]["with_servers"] == "false"


def test_one_that_is_down_or_disabled_says_so() -> None:
    told = {"host": "host2", "disabled_reason": "fan"}
    [down, disabled], _ = listed([hypervisor(1, state="down"), hypervisor(2, status="disabled", service=told)])
    assert (down.up, down.enabled) == (False, True)
    assert (disabled.up, disabled.enabled, disabled.why_disabled) == (True, False, "fan")


def test_its_zone_and_its_metadata_are_those_of_its_aggregates() -> None:
    aggregates = (
        SimpleNamespace(hosts=["host1"], metadata={"hypervisor": "qemu", "availability_zone": "east"}),
        SimpleNamespace(hosts=["host1", "host2"], metadata={"hypervisor": "kvm"}),
        SimpleNamespace(hosts=None, metadata=None),
    )
    [one, two], _ = listed([hypervisor(1), hypervisor(2)], aggregates=aggregates)
    assert (one.zone, one.aggregates["hypervisor"]) == ("east", frozenset({"qemu", "kvm"}))
    assert (two.zone, two.aggregates) == ("nova", {"hypervisor": frozenset({"kvm"})})


def test_more_than_a_page_of_hosts_is_read_to_its_end() -> None:
    hosts, service = listed([hypervisor(n) for n in range(1000)], [hypervisor(1000)])
    assert len(hosts) == 1001
    assert service.asked[1][1]["params"]["marker"] == "provider-999"
