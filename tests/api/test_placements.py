"""Where a server's twin would go, and has gone, with the reason for every host."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from liveupdate.db import reservations
from liveupdate.db.session import write
from liveupdate.db.tables import steps
from liveupdate.drivers.cloud.placement import Amount, Stock
from liveupdate.drivers.cloud.servers import Flavor
from liveupdate.testing.cloud import World
from liveupdate.testing.servers import server
from tests.api.conftest import SERVER, as_, new, refusal

URL = "/v1/placements"
NOBODY = "99999999-9999-4999-8999-999999999999"


def explain(api: TestClient, who: str = "manager@mine", server_id: str = SERVER, **more: object) -> Any:
    return api.post(URL, json={"placement": {"server_id": server_id, **more}}, headers=as_(who))


def test_every_host_has_a_verdict_a_reason_and_a_score(api: TestClient, world: World) -> None:
    world.servers["other"] = server("other", host="host2")
    before = repr(world)
    answer = explain(api)
    assert answer.json()["placement"] == {
        "server_id": SERVER,
        "job_id": None,
        "host": "host3",
        "group": "default",
        "policy": "striping",
        "note": "",
        "moves": [],
        "why_not": "",
        "refused_by_nova": {},
        "hosts": [
            {"host": "host3", "verdict": "fit", "reason": "0 servers", "score": 0.0},
            {"host": "host2", "verdict": "fit", "reason": "1 servers", "score": 1.0},
            {
                "host": "host1",
                "verdict": "fit",
                "reason": "1 servers; the original's host: the last resort",
                "score": 1.0,
            },
        ],
        "left_out": {},
    }
    assert repr(world) == before


def test_what_jobs_hold_is_counted(api: TestClient, sqlite: Engine) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    twin = {"VCPU": 2, "MEMORY_MB": 1024}
    write(sqlite, lambda c: reservations.take(c, job, "host2", twin, twin, 0, 600))
    assert explain(api).json()["placement"]["host"] == "host3"


def test_another_group_may_be_asked_about(api: TestClient) -> None:
    admin = as_("admin@ops")
    api.post("/v1/host-groups", json={"host_group": {"name": "gold", "policy": "packing"}}, headers=admin)
    api.post("/v1/host-groups/gold/hosts", json={"host": "host3"}, headers=admin)
    told = explain(api, group="gold").json()["placement"]
    assert (told["host"], told["group"], told["policy"]) == ("host3", "gold", "packing")
    assert refusal(explain(api, group="lead")) == (404, "live-update.host-group.not-found")


@pytest.mark.parametrize(("same_host", "host"), [("last", "host2"), ("allow", "host1"), ("avoid", "host2")])
def test_the_servers_own_host_is_the_last_resort_or_any_or_none(
    api: TestClient, world: World, same_host: str, host: str
) -> None:
    for name in ("host2", "host3"):
        world.servers |= {f"{name}-{n}": server(f"{name}-{n}", host=name) for n in range(2)}
    told = explain(api, same_host=same_host).json()["placement"]
    assert told["host"] == host
    [home] = [each for each in told["hosts"] if each["host"] == "host1"]
    assert home["verdict"] == ("refused" if same_host == "avoid" else "fit")
    assert refusal(explain(api, same_host="never")) == (400, "live-update.request.invalid")


def test_a_full_group_shows_what_would_be_moved_or_why_nothing_helps(api: TestClient, world: World) -> None:
    memory = (Amount(1 << 16, 0, 1.0, 0),)
    for host, (vcpus, used) in {"host1": (2, 2), "host2": (2, 2), "host3": (1, 0)}.items():
        world.stocks[host] = Stock({"VCPU": (Amount(vcpus, 0, 1.0, used),), "MEMORY_MB": memory}, frozenset())
    one = Flavor("one", 1, 512, 0, 0, {})
    world.servers["n"] = server("n", name="neighbour", host="host2", flavor=one)
    told = explain(api).json()["placement"]
    assert (told["host"], told["moves"]) == (None, [])
    assert "host2: VCPU: 2 needed, 0 of 2 free" in told["why_not"]
    api.patch("/v1/host-groups/default", json={"host_group": {"make_room": True}}, headers=as_("admin@ops"))
    assert "1 of 1 neighbours may be moved" in explain(api).json()["placement"]["why_not"]
    world.stocks["host2"] = Stock({"VCPU": (Amount(2, 0, 1.0, 1),), "MEMORY_MB": memory}, frozenset())
    told = explain(api).json()["placement"]
    assert (told["host"], told["why_not"]) == (None, "")
    assert [(m["name"], m["from"], m["to"]) for m in told["moves"]] == [("neighbour", "host2", "host3")]


@pytest.mark.parametrize(
    ("who", "status"),
    [("manager@mine", 200), ("admin@other", 200), ("member@mine", 403), ("reader@mine", 403), ("manager@other", 404)],
)
def test_who_may_have_it_explained(api: TestClient, who: str, status: int) -> None:
    assert explain(api, who).status_code == status


def test_a_server_that_does_not_exist_is_not_found(api: TestClient) -> None:
    for who in ("manager@mine", "admin@mine"):
        assert refusal(explain(api, who, NOBODY)) == (404, "live-update.server.not-found")


def test_a_job_keeps_how_it_was_placed(api: TestClient, sqlite: Engine) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    assert refusal(api.get(f"{URL}/{job}", headers=as_("manager@mine"))) == (404, "live-update.placement.not-yet")
    hosts = [{"host": "host2", "verdict": "fit", "reason": "0 servers", "score": 0.0}]
    judged = {"group": "default", "policy": "striping", "note": "", "hosts": hosts, "left_out": {"down": 3}}
    result = {"host": "host2", "other_host": True, "hints": {}, "placement": judged}
    # as the step place leaves it; this method has other steps
    first = update(steps).where(steps.c.job_id == job, steps.c.position == 0)
    write(sqlite, lambda c: c.execute(first.values(spec_id="place", result=result)))
    write(sqlite, lambda c: reservations.refuse(c, job, "host2", "no valid host"))
    told = api.get(f"{URL}/{job}", headers=as_("manager@mine")).json()["placement"]
    assert told == {
        "server_id": SERVER,
        "job_id": job,
        "host": "host2",
        **judged,
        "moves": [],
        "why_not": "",
        "refused_by_nova": {"host2": "no valid host"},
    }
    assert api.get(f"{URL}/{job}", headers=as_("member@mine")).status_code == 403
    assert api.get(f"{URL}/{job}", headers=as_("manager@other")).status_code == 404


def test_only_a_manager_chooses_the_group_of_a_job(api: TestClient) -> None:
    assert api.post("/v1/jobs", json=new(host_group="gold")).status_code == 403
    answer = api.post("/v1/jobs", json=new(host_group="gold"), headers=as_("manager@mine"))
    assert answer.status_code == 202
    assert answer.json()["job"]["parameters"]["host_group"] == "gold"
