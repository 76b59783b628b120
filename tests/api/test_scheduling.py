"""When a job begins: its times, its window, somebody's approval, and the preview that it is started from."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from liveupdate.db.session import write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.testing.jobs import make_due, work_once
from liveupdate.testing.steps import World
from tests.api.conftest import SERVER, as_, code, new
from tests.api.test_actions import create, say, shown


def in_(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def day_after_tomorrow() -> str:
    """A window that is not open now."""
    return f"{(datetime.now(UTC) + timedelta(days=2)).strftime('%a').lower()} 00:00-01:00"


def preview(api: TestClient, engine: Engine, **more: object) -> str:
    made = api.post("/v1/previews", json={"preview": new(**more)["job"]}).json()["preview"]["id"]
    work_once(engine, World())
    return str(made)


@pytest.mark.parametrize("times", [{"not_before": in_(hours=2)}, {"window": day_after_tomorrow()}])
def test_a_job_waits_for_its_time_and_can_be_started_before_it(
    api: TestClient, sqlite: Engine, times: dict[str, str]
) -> None:
    job, world = create(api, **times), World()
    work_once(sqlite, world)
    assert (shown(api, job)["state"], shown(api, job)["started_at"], world.done) == ("waiting", None, [])
    assert "waits " in shown(api, job)["reason"]
    make_due(sqlite, job)
    work_once(sqlite, world)
    assert world.done == []
    assert say(api, job, "start").status_code == 202
    work_once(sqlite, world)
    assert shown(api, job)["state"] == "succeeded"


def test_its_deadline_is_counted_from_when_it_begins(api: TestClient) -> None:
    begins = datetime.now(UTC) + timedelta(days=3)
    found = shown(api, create(api, not_before=begins.isoformat()))
    assert datetime.fromisoformat(found["deadline"]) == begins + timedelta(hours=24)


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": "whenever"},
        {"window": day_after_tomorrow(), "deadline": in_(hours=1)},
        {"not_before": in_(hours=3), "deadline": in_(hours=2)},
        {"not_before": in_(days=15)},
        {"not_before": "tomorrow"},
    ],
)
def test_times_that_cannot_be(api: TestClient, wrong: dict[str, str]) -> None:
    assert api.post("/v1/jobs", json=new(**wrong)).status_code == 400


def test_a_job_whose_deadline_comes_first_is_undone(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    world.faults["apply", "prepare"] = lambda _: say(api, job, "pause")
    work_once(sqlite, world)
    passed = {"deadline": 1, "wake_at": 0}
    write(sqlite, lambda c: c.execute(update(jobs_table).where(jobs_table.c.id == job).values(**passed)))
    work_once(sqlite, world)
    found = shown(api, job)
    assert (found["state"], found["code"], world.done) == ("undone", "live-update.job.deadline-passed", [])


def test_a_job_is_approved_by_somebody_else_than_its_requester(api: TestClient, sqlite: Engine) -> None:
    body = new(require_approval=True)
    job = api.post("/v1/jobs", json=body, headers=as_("manager@mine")).json()["job"]["id"]
    assert [e["type"] for e in api.get(f"/v1/jobs/{job}/events").json()["events"]][-1] == "job.approval_requested"
    work_once(sqlite, World())
    assert "approval" in shown(api, job)["reason"]
    refused = {
        who: say(api, job, "approve", who).status_code for who in ("member@mine", "manager@mine", "manager@other")
    }
    assert refused == {"member@mine": 403, "manager@mine": 403, "manager@other": 404}
    assert say(api, job, "start").status_code == 409
    answer = say(api, job, "approve", "manager2@mine")
    assert (answer.status_code, answer.json()["job"]["approved_by"]) == (202, "user-manager2")
    work_once(sqlite, World())
    assert shown(api, job)["state"] == "succeeded"


def test_a_requester_may_not_approve_even_where_the_policy_would_let_him(services: Services) -> None:
    with TestClient(build_app(replace(services, authorize=lambda *_: None))) as lenient:
        body = new(require_approval=True)
        job = lenient.post("/v1/jobs", json=body, headers=as_("manager@mine")).json()["job"]["id"]
        answer = say(lenient, job, "approve", "manager@mine")
    assert (answer.status_code, code(answer)) == (403, "live-update.approval.own-request")


def test_a_job_starts_from_a_preview_and_has_its_parameters(api: TestClient, sqlite: Engine) -> None:
    made = preview(api, sqlite, kernel=None, units=[{"name": "kv.service"}])
    found = api.get(f"/v1/previews/{made}").json()["preview"]
    lasts = datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["finished_at"])
    assert lasts == timedelta(hours=24)
    job = shown(api, create(api, preview_id=made, confirm=True))
    assert job["preview_id"] == made
    assert job["parameters"] == {**found["parameters"], "confirm": True}


def test_previews_that_no_job_may_start_from(api: TestClient, sqlite: Engine) -> None:
    made = preview(api, sqlite)

    def refusal(**more: object) -> tuple[int, str]:
        answer = api.post("/v1/jobs", json=new(preview_id=made, **more))
        return answer.status_code, code(answer)

    assert refusal(server_id="2" + SERVER[1:]) == (409, "live-update.preview.other-server")
    assert refusal(kernel=None) == (409, "live-update.preview.other-parameters")
    elsewhere = api.post("/v1/jobs", json=new(preview_id=made), headers=as_("member@other"))
    assert elsewhere.status_code == 404
    write(sqlite, lambda c: c.execute(update(jobs_table).where(jobs_table.c.id == made).values(finished_at=1)))
    assert refusal() == (409, "live-update.preview.expired")
    early = api.post("/v1/previews", json={"preview": new()["job"]}).json()["preview"]["id"]
    answer = api.post("/v1/jobs", json=new(preview_id=early))
    assert (answer.status_code, code(answer)) == (409, "live-update.preview.not-finished")


def test_a_blocked_preview_starts_no_job(api: TestClient, sqlite: Engine) -> None:
    made = api.post("/v1/previews", json={"preview": new()["job"]}).json()["preview"]["id"]
    work_once(sqlite, World(findings={"verdict": "block"}))
    answer = api.post("/v1/jobs", json=new(preview_id=made))
    assert (answer.status_code, code(answer)) == (409, "live-update.preview.blocked")


def test_who_may_not_choose_a_host_group_may_not_by_anothers_preview(api: TestClient, sqlite: Engine) -> None:
    body = {"preview": new(host_group="gold")["job"]}
    made = api.post("/v1/previews", json=body, headers=as_("manager@mine")).json()["preview"]["id"]
    work_once(sqlite, World())
    assert api.post("/v1/jobs", json=new(preview_id=made)).status_code == 403
    assert api.post("/v1/jobs", json=new(preview_id=made), headers=as_("manager@mine")).status_code == 202
