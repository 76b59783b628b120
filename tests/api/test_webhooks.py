"""A job's own webhooks: asked for with it, checked before it is accepted."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from liveupdate.messaging import webhooks
from liveupdate.settings import Webhooks
from liveupdate.testing.jobs import look
from tests.api.conftest import Cloud, as_, code, new

URL = "https://hooks.example/in"


@pytest.fixture
def offering(services: Services) -> Iterator[TestClient]:
    accept = partial(webhooks.accept, config=Webhooks("key"))
    with TestClient(build_app(replace(services, accept_webhooks=accept)), headers=as_("member@mine")) as client:
        yield client


def test_they_are_kept_with_the_job_each_once(offering: TestClient, sqlite: Engine) -> None:
    answer = offering.post("/v1/jobs", json=new(webhooks=[URL, URL]))
    assert answer.status_code == 202
    job, _ = look(sqlite, answer.json()["job"]["id"])
    assert job.parameters["webhooks"] == [URL]


def test_nobody_is_shown_what_may_keep_them_secret(offering: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    urls = ["https://hooks.example/services/hunter2", "https://hooks.example:8443/in?token=hunter2"]
    made, again = (
        offering.post("/v1/jobs", json=new(webhooks=urls), headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    job = made.json()["job"]["id"]
    told = [made, again, offering.get("/v1/jobs"), offering.get(f"/v1/jobs/{job}")]
    told += [offering.post(f"/v1/jobs/{job}/actions", json={"action": "pause"})]
    told += [offering.get(f"/v1/jobs/{job}/{part}") for part in ("steps", "events", "resources", "report")]
    for answer in told:
        assert answer.status_code < 300
        assert "hunter2" not in answer.text
    assert "hunter2" not in caplog.text
    shown = made.json()["job"]["parameters"]["webhooks"]
    assert shown == ["https://hooks.example/***", "https://hooks.example:8443/***"]


def test_one_that_leads_where_it_must_not_is_refused_before_anything_is_made(
    offering: TestClient, cloud: Cloud
) -> None:
    answer = offering.post("/v1/jobs", json=new(webhooks=["https://169.254.169.254/secret"]))
    assert (answer.status_code, code(answer)) == (400, "live-update.webhook.url")
    assert "secret" not in answer.text
    assert cloud.trusts == []


def test_a_deployment_without_webhooks_says_so(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=new(webhooks=[URL]))
    assert (answer.status_code, code(answer)) == (400, "live-update.webhook.not-offered")
