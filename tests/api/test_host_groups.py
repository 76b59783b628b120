"""The API of host groups, as a specification."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.planning import groups
from liveupdate.planning.groups import DEFAULT_AGGREGATE, Rules
from liveupdate.testing.cloud import World
from tests.api.conftest import as_, refusal

URL = "/v1/host-groups"


@pytest.fixture(autouse=True)
def _by_an_administrator(api: TestClient) -> None:
    api.headers.update(as_("admin@ops"))


def make(api: TestClient, name: str = "gold", *hosts: str, **rules: object) -> None:
    assert api.post(URL, json={"host_group": {"name": name, **rules}}).status_code == 201
    for host in hosts:
        assert add(api, name, host).status_code == 200


def add(api: TestClient, name: str, host: str) -> Any:
    return api.post(f"{URL}/{name}/hosts", json={"host": host})


def hosts(api: TestClient) -> dict[str, list[str]]:
    return {group["name"]: group["hosts"] for group in api.get(URL).json()["host_groups"]}


def test_at_first_all_hosts_are_in_the_default_group(api: TestClient) -> None:
    assert api.get(URL).json()["host_groups"] == [
        {
            "name": "default",
            "default": True,
            "policy": "striping",
            "fill_ceiling": 100,
            "minimum_paths": 1,
            "make_room": False,
            "without_metrics": "refuse",
            "hosts": ["host1", "host2", "host3"],
            "faults": [],
            "links": [{"rel": "self", "href": "/v1/host-groups/default"}],
        }
    ]


def test_a_group_is_an_aggregate_and_all_of_it_is_in_its_metadata(api: TestClient, world: World) -> None:
    rules = {"policy": "packing", "fill_ceiling": 80, "minimum_paths": 2, "make_room": True}
    answer = api.post(URL, json={"host_group": {"name": "gold", **rules}})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/v1/host-groups/gold")
    assert answer.json()["host_group"].items() >= rules.items()
    assert world.aggregates == {1: Aggregate(1, "gold", (), groups.metadata(Rules("packing", 80, 2, True)))}
    assert api.get(f"{URL}/gold").json() == answer.json()


def test_every_host_is_in_exactly_one_group(api: TestClient) -> None:
    make(api, "gold", "host1")
    make(api, "silver", "host2")
    assert hosts(api) == {"default": ["host3"], "gold": ["host1"], "silver": ["host2"]}
    assert api.delete(f"{URL}/gold/hosts/host1").status_code == 200
    assert hosts(api) == {"default": ["host1", "host3"], "gold": [], "silver": ["host2"]}


def test_a_host_cannot_be_put_into_two_groups(api: TestClient) -> None:
    make(api, "gold", "host1")
    make(api, "silver")
    answer = add(api, "silver", "host1")
    assert refusal(answer) == (409, "live-update.host-group.host-taken")
    assert "host group gold" in answer.json()["errors"][0]["detail"]
    assert hosts(api)["silver"] == []


def test_nor_by_two_at_the_same_time(api: TestClient, world: World) -> None:
    make(api, "gold")
    make(api, "silver")
    # somebody else's request, which was quicker by a hair

    def meanwhile(moment: str) -> None:
        if moment == "before add_host":
            world.strike = lambda _: None
            world.aggregates[1] = Aggregate(1, "gold", ("host1",), world.aggregates[1].metadata)

    world.strike = meanwhile
    assert refusal(add(api, "silver", "host1")) == (409, "live-update.host-group.host-taken")
    assert hosts(api)["silver"] == []


def test_adding_twice_is_adding_once(api: TestClient, world: World) -> None:
    make(api, "gold", "host1", "host1")
    assert world.aggregates[1].hosts == ("host1",)


def test_what_is_not_named_in_a_change_stays(api: TestClient) -> None:
    make(api, "gold", policy="packing", fill_ceiling=80)
    changed = api.patch(f"{URL}/gold", json={"host_group": {"fill_ceiling": 90, "make_room": True}})
    assert changed.status_code == 200
    shown = api.get(f"{URL}/gold").json()["host_group"]
    assert (shown["policy"], shown["fill_ceiling"], shown["make_room"]) == ("packing", 90, True)


def test_other_metadata_of_its_aggregate_stay(api: TestClient, world: World) -> None:
    make(api, "gold")
    world.aggregates[1] = Aggregate(1, "gold", (), {**world.aggregates[1].metadata, "hypervisor": "qemu"})
    api.patch(f"{URL}/gold", json={"host_group": {"policy": "packing"}})
    assert world.aggregates[1].metadata["hypervisor"] == "qemu"


def test_the_default_group_can_be_set_and_never_deleted(api: TestClient, world: World) -> None:
    assert api.patch(f"{URL}/default", json={"host_group": {"policy": "packing"}}).status_code == 200
    assert api.get(f"{URL}/default").json()["host_group"]["policy"] == "packing"
    assert [(a.name, a.hosts) for a in world.aggregates.values()] == [(DEFAULT_AGGREGATE, ())]
    assert refusal(api.delete(f"{URL}/default")) == (409, "live-update.host-group.is-default")
    assert hosts(api) == {"default": ["host1", "host2", "host3"]}


def test_a_host_is_neither_put_into_the_default_group_nor_taken_out(api: TestClient) -> None:
    assert refusal(add(api, "default", "host1")) == (409, "live-update.host-group.is-default")
    assert refusal(api.delete(f"{URL}/default/hosts/host1")) == (409, "live-update.host-group.is-default")


def test_only_a_group_without_hosts_is_deleted(api: TestClient, world: World) -> None:
    make(api, "gold", "host1")
    answer = api.delete(f"{URL}/gold")
    assert refusal(answer) == (409, "live-update.host-group.not-empty")
    assert "host1" in answer.json()["errors"][0]["detail"]
    api.delete(f"{URL}/gold/hosts/host1")
    assert api.delete(f"{URL}/gold").status_code == 204
    assert world.aggregates == {}
    assert refusal(api.get(f"{URL}/gold")) == (404, "live-update.host-group.not-found")


@pytest.mark.parametrize("name", ["gold", "default", DEFAULT_AGGREGATE, "rack"])
def test_a_name_that_is_taken_is_refused(api: TestClient, world: World, name: str) -> None:
    make(api, "gold")
    world.aggregates[9] = Aggregate(9, "rack", ("host3",), {})
    assert refusal(api.post(URL, json={"host_group": {"name": name}})) == (409, "live-update.host-group.exists")


def test_a_making_that_was_cut_short_is_taken_up(api: TestClient, world: World) -> None:
    world.aggregates[1] = Aggregate(1, "gold", (), {})
    make(api, "gold", policy="packing")
    assert [a.metadata["liveupdate:policy"] for a in world.aggregates.values()] == ["packing"]


def test_what_does_not_exist_is_not_found(api: TestClient) -> None:
    make(api, "gold")
    assert refusal(add(api, "lead", "host1")) == (404, "live-update.host-group.not-found")
    assert refusal(add(api, "gold", "host9")) == (404, "live-update.host.not-found")
    assert refusal(api.delete(f"{URL}/gold/hosts/host1")) == (404, "live-update.host.not-found")
    assert refusal(api.patch(f"{URL}/lead", json={"host_group": {}})) == (404, "live-update.host-group.not-found")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../etc"},
        {"name": ""},
        {"policy": "magic"},
        {"fill_ceiling": 0},
        {"fill_ceiling": 101},
        {"minimum_paths": 0},
        {"make_room": "perhaps"},
        {"without_metrics": "cpu_utilization"},
        {"colour": "red"},
    ],
)
def test_a_malformed_group_is_refused(api: TestClient, wrong: dict[str, object]) -> None:
    answer = api.post(URL, json={"host_group": {"name": "gold", **wrong}})
    assert refusal(answer) == (400, "live-update.request.invalid")


_READ = [("GET", URL), ("GET", f"{URL}/default")]
_WRITE = [
    ("POST", URL, {"host_group": {"name": "silver"}}),
    ("PATCH", f"{URL}/gold", {"host_group": {"policy": "packing"}}),
    ("POST", f"{URL}/gold/hosts", {"host": "host2"}),
    ("DELETE", f"{URL}/gold/hosts/host1", None),
    ("DELETE", f"{URL}/gold", None),
]


@pytest.mark.parametrize(("method", "url"), _READ)
@pytest.mark.parametrize(
    ("who", "status"), [("reader@ops", 403), ("member@ops", 403), ("manager@ops", 200), ("admin@ops", 200)]
)
def test_managers_see_them(api: TestClient, method: str, url: str, who: str, status: int) -> None:
    assert api.request(method, url, headers=as_(who)).status_code == status


@pytest.mark.parametrize(("method", "url", "body"), _WRITE)
@pytest.mark.parametrize("who", ["reader@ops", "member@ops", "manager@ops"])
def test_only_administrators_change_them(
    api: TestClient, world: World, method: str, url: str, body: object, who: str
) -> None:
    make(api, "gold", "host1")
    before = dict(world.aggregates)
    assert api.request(method, url, json=body, headers=as_(who)).status_code == 403
    assert world.aggregates == before
