"""How much may be asked: bodies, requests, open jobs; each refusal with its number."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.limits import RateLimit
from liveupdate.api.problems import TooMany
from liveupdate.api.services import Services
from liveupdate.settings import Limits
from liveupdate.testing.jobs import work_once
from liveupdate.testing.steps import World
from tests.api.conftest import SERVER, Cloud, as_, code, new


@pytest.fixture
def limited(services: Services) -> Iterator[TestClient]:
    few = Limits(max_body=2000, rate_limit=20, jobs_per_project=2)
    with TestClient(build_app(replace(services, limits=few)), headers=as_("member@mine")) as client:
        yield client


def server(number: int) -> str:
    return f"{number}{SERVER[1:]}"


def test_a_body_that_is_too_large_is_413(limited: TestClient, cloud: Cloud) -> None:
    body = new(paths=["/" + "x" * 3000])
    answer = limited.post("/v1/jobs", json=body)
    assert (answer.status_code, code(answer)) == (413, "live-update.request.too-large")
    assert "2000 bytes" in answer.json()["errors"][0]["detail"]

    def unannounced() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 100

    assert limited.post("/v1/jobs", content=unannounced()).status_code == 413
    assert limited.post("/v1/jobs", json=new()).status_code == 202


def test_who_asks_too_often_is_told_when_to_come_again(limited: TestClient) -> None:
    answers = [limited.get("/v1/methods") for _ in range(22)]
    assert [a.status_code for a in answers[:20]] == [200] * 20
    assert (answers[-1].status_code, code(answers[-1])) == (429, "live-update.request.rate-limit")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 3
    assert "20 times a minute" in answers[-1].json()["errors"][0]["detail"]
    assert limited.get("/v1/methods", headers=as_("member@other")).status_code == 200
    assert limited.get("/healthcheck").status_code == 200


def test_a_bucket_fills_up_as_time_passes() -> None:
    now = 0.0
    limit = RateLimit(60, lambda: now)
    for _ in range(60):
        limit.take("p")
    with pytest.raises(TooMany) as told:
        limit.take("p")
    assert told.value.retry_after == 1
    now = 2.0
    limit.take("p")
    limit.take("p")
    with pytest.raises(TooMany):
        limit.take("p")


def test_a_project_has_so_many_open_jobs_and_no_more(limited: TestClient, sqlite: Engine, cloud: Cloud) -> None:
    for number in (1, 2):
        assert limited.post("/v1/jobs", json=new(server_id=server(number))).status_code == 202
    answer = limited.post("/v1/jobs", json=new(server_id=server(3)))
    assert (answer.status_code, code(answer)) == (403, "live-update.quota.jobs")
    assert "2 open jobs, of 2" in answer.json()["errors"][0]["detail"]
    assert cloud.trusts == ["trust-1", "trust-2"]
    elsewhere = limited.post("/v1/jobs", json=new(server_id=server(3)), headers=as_("member@other"))
    assert elsewhere.status_code == 202
    assert limited.post("/v1/previews", json={"preview": new()["job"]}).status_code == 202
    while work_once(sqlite, World()):
        pass
    assert limited.post("/v1/jobs", json=new(server_id=server(3))).status_code == 202


def test_many_at_once_do_not_get_past_the_quota(limited: TestClient) -> None:
    def create(number: int) -> int:
        return limited.post("/v1/jobs", json=new(server_id=server(number))).status_code

    with ThreadPoolExecutor(8) as clients:
        assert sorted(clients.map(create, range(1, 9))) == [202] * 2 + [403] * 6
