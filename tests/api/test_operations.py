"""What those who run the service ask: figures without anybody's ids, health in detail for administrators only."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from liveupdate.db import workers
from liveupdate.db.session import write
from tests.api.conftest import as_, new

ADMIN = as_("admin@ops")


@pytest.fixture
def broken(services: Services) -> Iterator[TestClient]:
    """The same API where something is the matter."""
    with TestClient(build_app(replace(services, checks={"keystone": lambda: "", "broker": lambda: "Refused"}))) as made:
        yield made


def answers(api: TestClient) -> dict[tuple[str, str, str], float]:
    told = api.get("/metrics", headers={"X-Auth-Token": ""})
    assert told.status_code == 200
    samples = [s for family in text_string_to_metric_families(told.text) for s in family.samples]
    counted = [s for s in samples if s.name == "liveupdate_api_request_seconds_count"]
    return {(s.labels["verb"], s.labels["route"], s.labels["status"]): s.value for s in counted}


def test_answers_are_counted_by_route_never_by_id(api: TestClient) -> None:
    before = answers(api)
    job_id = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    for _ in range(2):
        api.get(f"/v1/jobs/{job_id}")
    api.get(f"/nowhere/{job_id}")
    api.get("/v1/jobs", headers={"X-Auth-Token": ""})
    api.request("BREW", "/v1/jobs")
    after = answers(api)
    grown = {key: value - before.get(key, 0) for key, value in after.items() if value != before.get(key)}
    grown.pop(("GET", "/metrics", "200"), None)
    assert grown == {
        ("POST", "/v1/jobs", "202"): 1,
        ("GET", "/v1/jobs/{job_id}", "200"): 2,
        ("GET", "unknown", "404"): 1,
        ("GET", "unknown", "401"): 1,
        ("other", "/v1/jobs", "405"): 1,
    }
    assert job_id not in str(after)


@pytest.mark.parametrize(
    ("who", "status"), [("admin@ops", 200), ("manager@mine", 403), ("reader@mine", 403), ("", 401)]
)
def test_only_administrators_see_the_health_in_detail(api: TestClient, who: str, status: int) -> None:
    assert api.get("/v1/health", headers=as_(who)).status_code == status


def test_all_is_well(api: TestClient, sqlite: Engine) -> None:
    write(sqlite, lambda connection: workers.seen(connection, "worker-1", "1.2"))
    health = api.get("/v1/health", headers=ADMIN).json()["health"]
    assert health["status"] == "ok"
    assert health["checks"] == [{"name": n, "status": "ok", "detail": ""} for n in ("database", "workers")]
    [worker] = health["workers"]
    assert (worker["name"], worker["version"], worker["alive"]) == ("worker-1", "1.2", True)


def test_each_fault_is_named(broken: TestClient, sqlite: Engine) -> None:
    write(sqlite, lambda connection: workers.seen(connection, "worker-1", "1.2"))
    write(sqlite, lambda connection: connection.execute(text("UPDATE workers SET seen_at = seen_at - 61000000")))
    write(sqlite, lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '0002'")))
    health = broken.get("/v1/health", headers=ADMIN).json()["health"]
    assert health["status"] == "degraded"
    faults = {check["name"]: check["detail"] for check in health["checks"] if check["status"] == "failed"}
    assert set(faults) == {"database", "workers", "broker"}
    assert faults["database"].startswith("schema 0002, wanted ")
    assert [worker["alive"] for worker in health["workers"]] == [False]


def test_a_database_that_is_away_is_a_fault_and_no_error(api: TestClient, sqlite: Engine) -> None:
    write(sqlite, lambda connection: connection.execute(text("DROP TABLE alembic_version")))
    write(sqlite, lambda connection: connection.execute(text("DROP TABLE workers")))
    answer = api.get("/v1/health", headers=ADMIN)
    assert answer.status_code == 200
    assert answer.json()["health"]["checks"][0] == {
        "name": "database",
        "status": "failed",
        "detail": "OperationalError",
    }
