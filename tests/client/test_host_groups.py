"""The client and the command line of host groups and placements against the API, over HTTP."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.drivers.cloud.hosts import Host
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.servers import server
from tests.api.conftest import SERVER, Cloud, services_of
from tests.client.conftest import Proxy, Serve

with warnings.catch_warnings():
    # openstacksdk and its libraries warn about each other
    warnings.simplefilter("ignore")
    from osc_lib.exceptions import CommandError

    from liveupdate.osc.v1 import host_group, placement

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


@pytest.fixture
def service(sqlite: Engine, serve: Serve) -> Proxy:
    world = with_server()
    world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 4)]
    world.servers = {SERVER: server(SERVER, project_id="ops")}
    return serve(services_of(sqlite, Cloud(), lambda *_: CloudDouble(world, admin=True)), "admin@ops")


def run(command: Any, service: Proxy, *argv: str) -> Any:
    """What ``openstack live update …`` shows: column → value, or the rows of a list; stderr beside it."""
    told: list[str] = []
    found = SimpleNamespace(compute=SimpleNamespace(find_server=lambda name, **_: SimpleNamespace(id=name)))
    manager = SimpleNamespace(live_update=service, sdk_connection=found)
    app = SimpleNamespace(client_manager=manager, stderr=SimpleNamespace(write=told.append))
    made = command(app, None)
    answer = made.take_action(made.get_parser("openstack").parse_args(argv))
    if answer is None or isinstance(answer[1], list):
        return answer and answer[1], "".join(told)
    return {k: getattr(v, "machine_readable", lambda v=v: v)() for k, v in zip(*answer, strict=True)}


def test_a_group_is_made_changed_filled_and_deleted(service: Proxy) -> None:
    made = run(
        host_group.CreateHostGroup, service, "gold", "--policy", "packing", "--fill-ceiling", "80", "--make-room"
    )
    assert (made["policy"], made["fill_ceiling"], made["make_room"], made["hosts"]) == ("packing", 80, True, [])
    changed = run(host_group.SetHostGroup, service, "gold", "--no-make-room", "--without-metrics", "striping")
    assert (changed["make_room"], changed["without_metrics"], changed["policy"]) == (False, "striping", "packing")
    assert run(host_group.AddHost, service, "gold", "host2")["hosts"] == ["host2"]
    rows, _ = run(host_group.ListHostGroup, service)
    assert [(row[0], row[1], row[-1].machine_readable()) for row in rows] == [
        ("default", "striping", ["host1", "host3"]),
        ("gold", "packing", ["host2"]),
    ]
    with pytest.raises(CommandError, match="host group gold has hosts: host2"):
        run(host_group.DeleteHostGroup, service, "gold")
    assert run(host_group.RemoveHost, service, "gold", "host2")["hosts"] == []
    run(host_group.DeleteHostGroup, service, "gold")
    assert [group.name for group in service.host_groups()] == ["default"]


def test_the_default_group_is_set_and_shown_by_its_name(service: Proxy) -> None:
    run(host_group.SetHostGroup, service, "default", "--policy", "memory_allocation")
    assert run(host_group.ShowHostGroup, service, "default")["policy"] == "memory_allocation"


def test_what_is_refused_is_told_with_its_remedy(service: Proxy) -> None:
    for name in ("gold", "silver"):
        run(host_group.CreateHostGroup, service, name)
    run(host_group.AddHost, service, "gold", "host1")
    with pytest.raises(CommandError) as told:
        run(host_group.AddHost, service, "silver", "host1")
    assert "host host1 is in host group gold (live-update.host-group.host-taken" in str(told.value)
    assert "openstack live update host group remove host gold host1" in str(told.value)


def test_a_placement_is_explained_host_by_host(service: Proxy) -> None:
    rows, told = run(placement.ExplainPlacement, service, "--server", SERVER)
    assert rows[0] == ("host2", "fit", 0.0, "0 servers")
    assert [row[0] for row in rows] == ["host2", "host3", "host1"]
    assert told == "group default, policy striping\nhost: host2\n"
    rows, _ = run(placement.ExplainPlacement, service, "--server", SERVER, "--same-host", "avoid")
    assert rows[-1] == ("host1", "refused", None, "the original's host")
    with pytest.raises(CommandError, match="there is no host group 'lead'"):
        run(placement.ExplainPlacement, service, "--server", SERVER, "--group", "lead")


def test_the_placement_of_a_job_that_does_not_exist_is_told(service: Proxy) -> None:
    with pytest.raises(CommandError, match=r"live-update\.job\.not-found"):
        run(placement.ShowPlacement, service, "99999999-9999-4999-8999-999999999999")
