"""What holds on every path: one shape of errors, versions, request ids, no token no answer."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from liveupdate.api.app import build_app
from liveupdate.api.microversions import MAXIMUM, MINIMUM
from liveupdate.api.services import Caller, Services
from tests.api.conftest import code, refusal

REQUEST_ID = "req-01234567-89ab-4cde-8f01-23456789abcd"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("DELETE", "/v1/jobs", 405),
        ("GET", "/v1/jobs/not-a-uuid", 400),
        ("GET", "/v1/jobs/99999999-9999-4999-8999-999999999999", 404),
        ("POST", "/v1/jobs", 400),
        ("GET", "/v1/jobs?color=red", 400),
    ],
)
def test_every_error_has_the_same_shape(api: TestClient, method: str, path: str, status: int) -> None:
    answer = api.request(method, path)
    assert answer.status_code == status
    [error] = answer.json()["errors"]
    assert set(error) == {"status", "code", "title", "detail", "remedy", "request_id", "links"}
    assert error["status"] == status
    assert error["code"].startswith("live-update.")
    assert error["request_id"] == answer.headers["X-Openstack-Request-Id"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/previews", "/v1/methods", "/nowhere", "/openapi.json"])
def test_without_a_token_nothing_is_told(api: TestClient, path: str) -> None:
    answer = api.get(path, headers={"X-Auth-Token": ""})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Keystone")
    assert answer.json()["errors"][0]["code"] == "live-update.auth.unauthorized"


@pytest.mark.parametrize(("path", "status"), [("/", 300), ("/v1/", 200), ("/v1", 200), ("/healthcheck", 200)])
def test_versions_and_health_are_public(api: TestClient, path: str, status: int) -> None:
    assert api.get(path, headers={"X-Auth-Token": ""}, follow_redirects=False).status_code == status


def test_the_version_document_is_what_discovery_reads(api: TestClient) -> None:
    [version] = api.get("/").json()["versions"]
    assert version == api.get("/v1/").json()["version"]
    assert (version["id"], version["status"]) == ("v1", "CURRENT")
    assert (version["min_version"], version["max_version"]) == (MINIMUM, MAXIMUM)
    assert version["links"][0]["href"].endswith("/v1/")


@pytest.mark.parametrize(
    ("asked", "status", "answered"),
    [
        (None, 200, MINIMUM),
        ("compute 2.96", 200, MINIMUM),
        ("live-update latest", 200, MAXIMUM),
        (f"live-update {MAXIMUM}", 200, MAXIMUM),
        (f"compute 2.96, live-update {MAXIMUM}", 200, MAXIMUM),
        (f"LIVE-UPDATE {MAXIMUM}", 200, MAXIMUM),
        ("compute latest", 200, MINIMUM),
        ("live-update latest, compute 2.96", 200, MAXIMUM),
        ("live-update 0.9", 406, MINIMUM),
        ("live-update 1.999", 406, MINIMUM),
        ("live-update 9.9", 406, MINIMUM),
        ("live-update nine", 400, MINIMUM),
        ("live-update", 400, MINIMUM),
        ("live-update 1", 400, MINIMUM),
        ("live-update 1.0.0", 400, MINIMUM),
        ("live-update -1.0", 400, MINIMUM),
        ("live-update 1.0 1.0", 400, MINIMUM),
    ],
)
def test_microversions(api: TestClient, asked: str | None, status: int, answered: str) -> None:
    answer = api.get("/v1/methods", headers={"OpenStack-API-Version": asked} if asked else {})
    assert answer.status_code == status
    assert answer.headers["OpenStack-API-Version"] == f"live-update {answered}"
    assert "OpenStack-API-Version" in answer.headers["Vary"]
    if status == 406:
        error = answer.json()["errors"][0]
        assert (error["min_version"], error["max_version"]) == (MINIMUM, MAXIMUM)
        assert (error["code"], MAXIMUM in error["remedy"]) == ("live-update.microversion.not-supported", True)


@pytest.mark.parametrize("path", ["/", "/v1/", "/nowhere", "/v1/jobs/99999999-9999-4999-8999-999999999999"])
def test_every_answer_tells_its_version(api: TestClient, path: str) -> None:
    answer = api.get(path, headers={"OpenStack-API-Version": "live-update latest"}, follow_redirects=False)
    assert answer.headers["OpenStack-API-Version"] == f"live-update {MAXIMUM}"
    assert "OpenStack-API-Version" in answer.headers["Vary"]
    refused = api.get(path, headers={"X-Auth-Token": "", "OpenStack-API-Version": "live-update latest"})
    assert refused.headers["OpenStack-API-Version"] == f"live-update {MAXIMUM}"


@pytest.mark.parametrize(("sent", "taken"), [(REQUEST_ID, True), ("req-x", False), ("x\ny", False)])
def test_both_request_ids_are_on_the_job_the_callers_if_it_is_a_valid_one(
    api: TestClient, sent: str, taken: bool
) -> None:
    body = {"job": {"method": "surrogate", "server_id": "11111111-1111-4111-8111-111111111111"}}
    answer = api.post("/v1/jobs", json=body, headers={"X-Openstack-Request-Id": sent})
    assert answer.headers["X-Openstack-Request-Id"] != sent
    job = answer.json()["job"]
    assert job["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert job["global_request_id"] == (sent if taken else "")


def test_an_answer_never_repeats_what_was_wrongly_sent(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json={"job": {"password": "hunter2"}})
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"job": {"method": "surrogate", "server_id": "11111111-1111-4111-8111-111111111111", "paths": ["/\\ud800"]}}',
        b'{"job": {"method": "surrogate", "server_id": "11111111-1111-4111-8111-111111111111", "soak_seconds": 1e999}}',
    ],
)
def test_a_body_that_is_no_request_is_400(api: TestClient, body: bytes) -> None:
    answer = api.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["status"]) == (400, 400)


def test_what_nobody_foresaw_tells_nothing_but_its_number(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr("liveupdate.db.jobs.page", broken)
    answer = api.get("/v1/jobs")
    assert refusal(answer) == (500, "live-update.internal")
    assert answer.json()["errors"][0]["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert "hunter2" not in answer.text


def test_a_database_that_fails_is_told_by_its_number_only(
    api: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OperationalError("INSERT 'hunter2'", {}, RuntimeError(1205, "lock wait: hunter2"))

    monkeypatch.setattr("liveupdate.db.jobs.page", broken)
    answer = api.get("/v1/jobs")
    assert (answer.status_code, code(answer)) == (503, "live-update.store.unavailable")
    assert "the database: OperationalError 1205" in caplog.text
    assert "hunter2" not in caplog.text + answer.text


def test_which_methods_there_are_is_told(api: TestClient) -> None:
    assert api.delete("/v1/jobs").headers["Allow"] in ("POST", "GET", "GET, POST", "POST, GET")


def test_what_breaks_before_the_routes_has_the_same_shape(services: Services) -> None:
    def broken(_: object) -> Caller:
        raise RuntimeError("the password is hunter2")

    with TestClient(build_app(replace(services, authenticate=broken))) as client:
        answer = client.get("/v1/jobs")
    assert refusal(answer) == (500, "live-update.internal")
    assert "hunter2" not in answer.text
