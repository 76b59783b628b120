"""Every request that would change something is told as a CADF event: who, what, to what, with which outcome."""

import json
import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from liveupdate.messaging.notifications import Notification
from tests.api.conftest import as_, new


class Told(list[Notification]):
    def last(self) -> dict[str, Any]:
        note = self[-1]
        assert (note.event_type, note.id) == ("audit.http.response", note.payload["id"])
        return dict(note.payload)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def client(services: Services, told: Told) -> TestClient:
    """The API, audited."""
    return TestClient(build_app(services, told.append), headers={"X-Auth-Token": "member@mine"})


def test_who_made_a_job(client: TestClient, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "liveupdate.audit")
    answer = client.post("/v1/jobs", json=new(), headers={"User-Agent": "osc", "X-Auth-Token": "member@mine"})
    event, job_id = told.last(), answer.json()["job"]["id"]
    assert (event["action"], event["outcome"], event["reason"]["reasonCode"]) == ("create", "success", "202")
    assert event["eventType"] == "activity"
    initiator = event["initiator"]
    assert (initiator["id"], initiator["project_id"]) == ("user-member", "mine")
    assert initiator["host"] == {"address": "testclient", "agent": "osc"}
    assert initiator["request_id"] == answer.headers["X-Openstack-Request-Id"]
    assert event["target"] == {"id": job_id, "typeURI": "service/live-update/jobs"}
    assert event["requestPath"] == "/v1/jobs"
    # the log has it whatever becomes of the bus
    assert json.loads(caplog.messages[-1]) == event


def test_what_was_done_to_it(client: TestClient, told: Told) -> None:
    job_id = client.post("/v1/jobs", json=new()).json()["job"]["id"]
    client.post(f"/v1/jobs/{job_id}/actions", json={"action": "cancel"})
    assert (told.last()["action"], told.last()["outcome"]) == ("update/cancel", "success")
    assert told.last()["target"]["id"] == job_id
    client.post(f"/v1/jobs/{job_id}/actions", json={"action": "EVIL\n"})
    assert (told.last()["action"], told.last()["outcome"]) == ("update", "failure")


@pytest.mark.parametrize(
    ("method", "path", "who", "action", "status"),
    [
        ("POST", "/v1/jobs", "reader@mine", "create", "403"),
        ("POST", "/v1/placements", "reader@mine", "evaluate", "400"),
        ("POST", "/v1/host-groups", "member@mine", "create", "400"),
        ("PATCH", "/v1/host-groups/web", "member@mine", "update", "400"),
        ("DELETE", "/v1/host-groups/web", "member@mine", "delete", "403"),
        ("DELETE", "/v1/host-groups/web/hosts/host1", "member@mine", "delete", "403"),
        ("PUT", "/v1/nothing", "member@mine", "update", "404"),
        ("POST", "/v1/jobs/00000000-0000-4000-8000-000000000000/actions", "member@mine", "update", "400"),
    ],
)
def test_what_was_not_let(
    client: TestClient, told: Told, method: str, path: str, who: str, action: str, status: str
) -> None:
    client.request(method, path, json=new() if path == "/v1/jobs" else {}, headers=as_(who))
    event = told.last()
    assert (event["action"], event["outcome"], event["reason"]["reasonCode"]) == (action, "failure", status)


def test_reading_is_not_audited_nor_is_nobody(client: TestClient, told: Told) -> None:
    client.get("/v1/jobs")
    client.get("/healthcheck")
    assert client.post("/v1/jobs", json=new(), headers=as_("")).status_code == 401
    assert told == []


def test_no_token_and_no_body_is_in_it(client: TestClient, told: Told, sqlite: Engine) -> None:
    client.post("/v1/jobs?token=hunter2", json=new(password="hunter2"), headers={"X-Auth-Token": "member@mine"})
    assert "hunter2" not in str(told.last())
    assert "member@mine" not in str(told.last())
