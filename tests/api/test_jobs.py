"""The API of jobs, as a specification."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.testing.fallbacks import updated
from liveupdate.testing.jobs import work_once
from liveupdate.testing.steps import World, wait_forever
from tests.api.conftest import SERVER, Cloud, as_, code, fail, new

NOBODY = "99999999-9999-4999-8999-999999999999"


def test_create_answers_202_with_the_job_and_its_location(api: TestClient, cloud: Cloud) -> None:
    answer = api.post("/v1/jobs", json=new(kernel="newest", units=[{"name": "kv.service", "handover": "move"}]))
    assert answer.status_code == 202
    job = answer.json()["job"]
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["server"], job["project_id"]) == ("queued", {"id": SERVER, "name": "web-1"}, "mine")
    assert job["parameters"]["units"] == [{"name": "kv.service", "handover": "move", "health": []}]
    assert cloud.trusts == ["trust-1"]
    assert api.get(answer.headers["Location"]).json()["job"] == job
    assert [e["type"] for e in api.get(f"/v1/jobs/{job['id']}/events").json()["events"]] == ["job.created"]
    assert api.get(f"/v1/jobs/{job['id']}/steps").json()["steps"][0]["id"] == "prepare"


@pytest.mark.parametrize(
    "wrong",
    [
        {"surprise": 1},
        {"server_id": "web-1"},
        {"method": "magic"},
        {"kernel": "linux-image; reboot"},
        {"units": [{"name": "../../etc/passwd"}]},
        {"units": [{"name": "kv.service", "health": [{"kind": "tcp", "port": 70000}]}]},
        {"paths": ["relative"]},
        {"paths": ["/srv/../etc"]},
        {"packages": ["--allow-downgrades"]},
        {"blackout_budget_seconds": -1},
        {"minimum_paths": 0},
        {"deadline": "2001-01-01T00:00:00Z"},
        {"deadline": "2101-01-01T00:00:00Z"},
    ],
)
def test_a_malformed_request_is_refused_and_leaves_no_trust(
    api: TestClient, cloud: Cloud, wrong: dict[str, object]
) -> None:
    answer = api.post("/v1/jobs", json=new(**wrong))
    assert answer.status_code == 400
    assert code(answer).startswith("live-update.")
    assert cloud.trusts == []


def test_a_server_that_is_not_in_the_project_is_not_found(api: TestClient) -> None:
    answer = api.post("/v1/jobs", json=new(server_id="0" + SERVER[1:]))
    assert (answer.status_code, code(answer)) == (404, "live-update.server.not-found")


def test_a_second_update_of_a_server_is_refused_and_its_trust_taken_back(api: TestClient, cloud: Cloud) -> None:
    first = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    answer = api.post("/v1/jobs", json=new())
    assert (answer.status_code, code(answer)) == (409, "live-update.job.server-busy")
    assert first in answer.json()["errors"][0]["detail"]
    assert cloud.trusts == ["trust-1"]


def test_the_same_idempotency_key_makes_one_job(api: TestClient, cloud: Cloud) -> None:
    key = {"Idempotency-Key": "k"}
    first = api.post("/v1/jobs", json=new(), headers=key)
    again = api.post("/v1/jobs", json=new(), headers=key)
    assert (again.status_code, again.json()["job"]["id"]) == (202, first.json()["job"]["id"])
    assert cloud.trusts == ["trust-1"]
    other = api.post("/v1/jobs", json=new(confirm=True), headers=key)
    assert (other.status_code, code(other)) == (409, "live-update.idempotency.key-reused")


def test_lists_are_paged_by_links(api: TestClient) -> None:
    made = [api.post("/v1/jobs", json=new(server_id=f"{n}{SERVER[1:]}")).json()["job"]["id"] for n in range(1, 6)]
    seen, link = [], "/v1/jobs?limit=2"
    while link:
        page = api.get(link).json()
        seen += [job["id"] for job in page["jobs"]]
        link = next((x["href"] for x in page["links"] if x["rel"] == "next"), "")
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query", ["color=red", "limit=0", "limit=ten", "sort=reason", "marker=nobody", "changes-since=x"]
)
def test_unknown_filters_and_values_are_refused(api: TestClient, query: str) -> None:
    assert api.get(f"/v1/jobs?{query}").status_code == 400


def test_cancel_is_repeatable_and_undoes(api: TestClient, sqlite: Engine) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    for _ in range(2):
        assert api.post(f"/v1/jobs/{job}/actions", json={"action": "cancel"}).status_code == 202
    work_once(sqlite, World())
    assert api.get(f"/v1/jobs/{job}").json()["job"]["state"] == "cancelled"
    answer = api.post(f"/v1/jobs/{job}/actions", json={"action": "confirm"})
    assert (answer.status_code, code(answer)) == (409, "live-update.job.wrong-state")
    assert "cancelled" in answer.json()["errors"][0]["detail"]


def test_cancel_after_the_pivot_is_refused_rollback_is_not(api: TestClient, sqlite: Engine) -> None:
    job, world = api.post("/v1/jobs", json=new(confirm=True)).json()["job"]["id"], World()
    world.faults["apply", "hold"] = wait_forever
    work_once(sqlite, world)
    answer = api.post(f"/v1/jobs/{job}/actions", json={"action": "cancel"})
    assert (answer.status_code, code(answer)) == (409, "live-update.job.pivot-passed")
    assert api.post(f"/v1/jobs/{job}/actions", json={"action": "rollback"}).status_code == 202
    work_once(sqlite, world)
    assert api.get(f"/v1/jobs/{job}").json()["job"]["state"] == "undone"


def test_a_stuck_job_is_retried(api: TestClient, sqlite: Engine) -> None:
    job, world = api.post("/v1/jobs", json=new()).json()["job"]["id"], World()
    answer = api.post(f"/v1/jobs/{job}/actions", json={"action": "retry"})
    assert (answer.status_code, code(answer)) == (409, "live-update.job.wrong-state")
    world.faults["apply", "tidy"] = fail
    work_once(sqlite, world)
    assert api.get(f"/v1/jobs/{job}").json()["job"]["state"] == "needs_attention"
    assert api.post(f"/v1/jobs/{job}/actions", json={"action": "retry"}).status_code == 202
    work_once(sqlite, world)
    assert api.get(f"/v1/jobs/{job}").json()["job"]["state"] == "succeeded"


def test_the_report_of_a_finished_job(api: TestClient, sqlite: Engine) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    work_once(sqlite, World())
    report = api.get(f"/v1/jobs/{job}/report").json()["report"]
    assert report["state"] == "succeeded"
    assert report["resources"] == {"created": [], "deleted": [], "kept": [], "leftovers": []}


def test_a_preview_is_no_job_and_holds_no_server(api: TestClient, sqlite: Engine) -> None:
    body = {"preview": new()["job"]}
    answer = api.post("/v1/previews", json=body)
    assert answer.status_code == 202
    preview = answer.headers["Location"]
    assert api.post("/v1/previews", json=body).status_code == 202
    assert api.get(preview.replace("previews", "jobs")).status_code == 404
    work_once(sqlite, World())
    assert api.get(preview).json()["preview"]["state"] == "succeeded"
    assert len(api.get("/v1/previews").json()["previews"]) == 2
    assert api.get("/v1/jobs").json()["jobs"] == []


_JOB_ROUTES = ["", "/steps", "/events", "/resources", "/report"]


@pytest.mark.parametrize("route", _JOB_ROUTES)
@pytest.mark.parametrize(
    ("who", "status"),
    [
        ("reader@mine", 200),
        ("member@mine", 200),
        ("admin@other", 200),
        ("member@other", 404),
        ("stranger@mine", 403),
    ],
)
def test_who_may_see_a_job(api: TestClient, route: str, who: str, status: int) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    assert api.get(f"/v1/jobs/{job}{route}", headers=as_(who)).status_code == status


@pytest.mark.parametrize(
    ("who", "status"), [("reader@mine", 403), ("member@mine", 202), ("admin@other", 202), ("member@other", 404)]
)
def test_who_may_cancel(api: TestClient, who: str, status: int) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    answer = api.post(f"/v1/jobs/{job}/actions", json={"action": "cancel"}, headers=as_(who))
    assert answer.status_code == status


@pytest.mark.parametrize(("who", "status"), [("reader@mine", 403), ("member@mine", 202), ("stranger@mine", 403)])
@pytest.mark.parametrize("kind", ["job", "preview"])
def test_who_may_create(api: TestClient, kind: str, who: str, status: int) -> None:
    body = {kind: new()["job"]}
    assert api.post(f"/v1/{kind}s", json=body, headers=as_(who)).status_code == status


def test_only_an_administrator_lists_all_projects(api: TestClient) -> None:
    api.post("/v1/jobs", json=new())
    assert api.get("/v1/jobs?all_projects=true").status_code == 403
    assert len(api.get("/v1/jobs?all_projects=true", headers=as_("admin@other")).json()["jobs"]) == 1


def test_methods_are_listed(api: TestClient) -> None:
    assert [m["name"] for m in api.get("/v1/methods").json()["methods"]] == ["surrogate"]


def ids(api: TestClient, query: str, who: str = "member@mine") -> list[str]:
    answer = api.get(f"/v1/jobs?{query}", headers=as_(who))
    assert answer.status_code == 200, answer.text
    return [job["id"] for job in answer.json()["jobs"]]


def test_lists_are_filtered_by_what_jobs_have(api: TestClient, sqlite: Engine) -> None:
    first, second = (api.post("/v1/jobs", json=new(server_id=f"{n}{SERVER[1:]}")).json()["job"]["id"] for n in (1, 2))
    api.post(f"/v1/jobs/{second}/actions", json={"action": "pause"})
    work_once(sqlite, World())
    work_once(sqlite, World())
    assert ids(api, "state=succeeded") == [first]
    assert ids(api, "state=succeeded,waiting") == [second, first]
    assert ids(api, "paused=true") == [second]
    assert ids(api, f"server_id=2{SERVER[1:]}") == [second]
    assert ids(api, "step=tidy") == [first]
    assert ids(api, "method=surrogate&server_name=web-1&user_id=user-member&sort=server_name:asc") == sorted(
        [first, second]
    )
    assert ids(api, "user_id=somebody") == ids(api, "method=restore") == ids(api, "approval=needed") == []
    assert ids(api, "project_id=other") == []
    assert ids(api, "all_projects=true&project_id=mine", "admin@other") == [second, first]


def test_the_jobs_of_a_server_are_those_of_the_servers_that_it_has_replaced_too(
    api: TestClient, sqlite: Engine
) -> None:
    first, second = f"1{SERVER[1:]}", f"2{SERVER[1:]}"
    done = updated(sqlite, project_id="mine", server_id=first, made=second)
    again = api.post("/v1/jobs", json=new(server_id=second)).json()["job"]["id"]
    assert ids(api, f"server_id={second}") == [again, done]
    assert ids(api, f"server_id={second}&state=queued") == [again]
    assert ids(api, f"server_id={first}") == [done]
    assert ids(api, f"server_id={second}", "member@other") == []


def test_what_changed_since_comes_in_the_order_of_the_changes(api: TestClient, sqlite: Engine) -> None:
    first, second = (api.post("/v1/jobs", json=new(server_id=f"{n}{SERVER[1:]}")).json()["job"] for n in (1, 2))
    assert ids(api, "changes-since=2020-01-01T00:00:00") == [first["id"], second["id"]]
    work_once(sqlite, World())
    assert ids(api, "changes-since=2020-01-01T00:00:00Z") == [second["id"], first["id"]]
    assert ids(api, f"changes-since={second['updated_at'].replace('+', '%2B')}") == [second["id"], first["id"]]


@pytest.mark.parametrize(
    "route", ["/v1/methods", "/v1/host-groups", "/v1/previews", "/v1/fallbacks", "/v1/jobs/{}/steps", "/v1/jobs/{}"]
)
def test_no_route_passes_over_what_it_does_not_know(api: TestClient, route: str) -> None:
    job = api.post("/v1/jobs", json=new()).json()["job"]["id"]
    answer = api.get(f"{route.format(job)}?color=red", headers=as_("admin@mine"))
    assert (answer.status_code, code(answer)) == (400, "live-update.request.invalid")
    assert "color" in answer.json()["errors"][0]["detail"]


def test_a_marker_is_one_of_what_is_listed(api: TestClient) -> None:
    theirs = api.post("/v1/jobs", json=new(), headers=as_("member@other")).json()["job"]["id"]
    for marker in (theirs, NOBODY, "nobody"):
        assert api.get(f"/v1/jobs?marker={marker}").status_code == 400


def test_the_same_key_answers_the_same_job_though_the_server_is_gone(
    api: TestClient, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = api.post("/v1/jobs", json=new(), headers={"Idempotency-Key": "k"}).json()["job"]["id"]
    monkeypatch.setattr(cloud, "server_name", None)
    for _ in range(3):
        assert api.post("/v1/jobs", json=new(), headers={"Idempotency-Key": "k"}).json()["job"]["id"] == first
    assert cloud.made == 1
