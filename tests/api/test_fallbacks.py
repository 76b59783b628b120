"""The API of fallbacks, as a specification."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from liveupdate.db.session import write
from liveupdate.db.tables import resources
from liveupdate.testing.fallbacks import updated
from tests.api.conftest import SERVER, Cloud, as_, code
from tests.api.test_jobs import NOBODY


def kept(engine: Engine, **options: object) -> str:
    given = {"project_id": "mine", "made": SERVER, "server_name": "web-1", **options}
    return updated(engine, **given)  # type: ignore[arg-type]


def test_a_fallback_tells_of_which_server_what_how_big_and_until_when(api: TestClient, sqlite: Engine) -> None:
    job_id = kept(sqlite)
    fallback = api.get(f"/v1/fallbacks/{job_id}").json()["fallback"]
    assert (fallback["id"], fallback["kind"], fallback["size"]) == (job_id, "snapshot", 6)
    assert fallback["server"] == {"id": SERVER, "name": "web-1"}
    assert fallback["original_server_id"] == "original"
    assert fallback["kept_until"] > fallback["made_at"]
    assert fallback["job"] is None
    assert [(p["kind"], p["cloud_id"], p["size"], p["type"], p["boot"]) for p in fallback["parts"]] == [
        ("snapshot", "snapshot", 3, "ceph", True),
        ("volume", "old-volume", 3, "ceph", True),
    ]


def test_lists_are_filtered_by_server_and_paged_by_links(api: TestClient, sqlite: Engine) -> None:
    made = [kept(sqlite, server_id=f"s{n}", made=f"t{n}") for n in range(3)]
    seen, link = [], "/v1/fallbacks?limit=2"
    while link:
        page = api.get(link).json()
        seen += [fallback["id"] for fallback in page["fallbacks"]]
        link = next((x["href"] for x in page["links"] if x["rel"] == "next"), "")
    assert seen == made[::-1]
    assert [f["id"] for f in api.get("/v1/fallbacks?server_id=t1").json()["fallbacks"]] == [made[1]]


@pytest.mark.parametrize("query", ["color=red", "limit=0", "sort=size", "marker=nobody", "state=kept"])
def test_unknown_filters_and_values_are_refused(api: TestClient, query: str) -> None:
    assert api.get(f"/v1/fallbacks?{query}").status_code == 400


def test_delete_ends_it_by_a_job_of_which_there_is_one(api: TestClient, sqlite: Engine, cloud: Cloud) -> None:
    path = f"/v1/fallbacks/{kept(sqlite)}"
    answer = api.delete(path)
    assert answer.status_code == 202
    job = api.get(answer.headers["Location"]).json()["job"]
    assert (job["id"], job["method"]) == (answer.json()["job"]["id"], "fallback_expire")
    # it is the service that deletes: nobody's name is needed
    assert cloud.trusts == []
    assert api.get(path).json()["fallback"]["job"] == {"id": job["id"], "method": "fallback_expire"}
    again = api.delete(path)
    assert (again.status_code, code(again)) == (409, "live-update.fallback.busy")
    assert job["id"] in again.json()["errors"][0]["detail"]


def test_restore_is_a_job_for_the_server_that_serves_now(api: TestClient, sqlite: Engine, cloud: Cloud) -> None:
    job_id = kept(sqlite)
    asked = {"action": "restore", "keep_fallback_days": 3}
    answer = api.post(f"/v1/fallbacks/{job_id}/actions", json=asked)
    assert answer.status_code == 202
    job = api.get(answer.headers["Location"]).json()["job"]
    assert (job["method"], job["server"], job["state"]) == ("restore", {"id": SERVER, "name": "web-1"}, "queued")
    assert (job["parameters"]["fallback_id"], job["parameters"]["keep_fallback_days"]) == (job_id, 3)
    assert job["pivot"] == "retire"
    assert cloud.trusts == ["trust-1"]


def test_a_preview_of_a_restore_is_no_job_and_holds_nothing(api: TestClient, sqlite: Engine) -> None:
    path = f"/v1/fallbacks/{kept(sqlite)}"
    answer = api.post(f"{path}/actions", json={"action": "preview"})
    assert answer.status_code == 202
    assert api.get(answer.headers["Location"]).json()["preview"]["method"] == "restore"
    assert api.get(path).json()["fallback"]["job"] is None
    assert api.get("/v1/jobs?method=restore").json()["jobs"] == []


@pytest.mark.parametrize("first", ["restore", "delete"])
def test_what_is_being_restored_or_ended_is_not_touched_by_another(
    api: TestClient, sqlite: Engine, cloud: Cloud, first: str
) -> None:
    path = f"/v1/fallbacks/{kept(sqlite)}"
    restore = {"action": "restore"}
    begun = api.delete(path) if first == "delete" else api.post(f"{path}/actions", json=restore)
    assert begun.status_code == 202
    trusts = list(cloud.trusts)
    for answer in (api.delete(path), api.post(f"{path}/actions", json=restore)):
        assert (answer.status_code, code(answer)) == (409, "live-update.fallback.busy")
    assert cloud.trusts == trusts


def test_the_same_idempotency_key_makes_one_restore(api: TestClient, sqlite: Engine, cloud: Cloud) -> None:
    path, key = f"/v1/fallbacks/{kept(sqlite)}/actions", {"Idempotency-Key": "k"}
    first = api.post(path, json={"action": "restore"}, headers=key)
    again = api.post(path, json={"action": "restore"}, headers=key)
    assert (again.status_code, again.json()["job"]["id"]) == (202, first.json()["job"]["id"])
    assert cloud.trusts == ["trust-1"]
    other = api.post(path, json={"action": "restore", "data_volumes": True}, headers=key)
    assert (other.status_code, code(other)) == (409, "live-update.idempotency.key-reused")


def test_the_same_idempotency_key_ends_it_once(api: TestClient, sqlite: Engine) -> None:
    path, key = f"/v1/fallbacks/{kept(sqlite)}", {"Idempotency-Key": "k"}
    first = api.delete(path, headers=key)
    assert api.delete(path, headers=key).json()["job"]["id"] == first.json()["job"]["id"]
    another = api.delete(f"/v1/fallbacks/{kept(sqlite)}", headers=key)
    assert (another.status_code, code(another)) == (409, "live-update.idempotency.key-reused")
    assert api.delete(path).status_code == 409


@pytest.mark.parametrize("action", ["delete", "restore"])
def test_the_same_key_answers_the_same_job_though_the_fallback_has_ended(
    api: TestClient, sqlite: Engine, action: str
) -> None:
    fallback, key = kept(sqlite), {"Idempotency-Key": "k"}

    def asked(who: str = "member@mine") -> Any:
        if action == "delete":
            return api.delete(f"/v1/fallbacks/{fallback}", headers=key | as_(who))
        path = f"/v1/fallbacks/{fallback}/actions"
        return api.post(path, json={"action": "restore"}, headers=key | as_(who))

    first = asked()
    assert first.status_code == 202
    write(sqlite, lambda c: c.execute(update(resources).values(keep_until=None)))
    assert api.get(f"/v1/fallbacks/{fallback}").status_code == 404
    assert asked().json() == first.json()
    assert asked("reader@mine").status_code == 403
    assert asked("member@other").status_code == 404


def test_an_administrator_of_another_project_repeats_a_delete_with_its_key(api: TestClient, sqlite: Engine) -> None:
    path, key = f"/v1/fallbacks/{kept(sqlite)}", {"Idempotency-Key": "k"}
    first = api.delete(path, headers=key | as_("admin@other"))
    write(sqlite, lambda c: c.execute(update(resources).values(keep_until=None)))
    again = api.delete(path, headers=key | as_("admin@other"))
    assert (again.status_code, again.json()) == (202, first.json())
    assert api.delete(path, headers={"Idempotency-Key": "another"} | as_("admin@other")).status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "magic"},
        {"action": "restore", "surprise": 1},
        {"action": "restore", "keep_fallback_days": -1},
        {"action": "restore", "deadline": "2001-01-01T00:00:00Z"},
    ],
)
def test_a_malformed_request_is_refused_and_leaves_no_trust(
    api: TestClient, sqlite: Engine, cloud: Cloud, wrong: dict[str, object]
) -> None:
    answer = api.post(f"/v1/fallbacks/{kept(sqlite)}/actions", json=wrong)
    assert answer.status_code == 400
    assert cloud.trusts == []


def test_what_is_not_there_is_not_found(api: TestClient, sqlite: Engine) -> None:
    for answer in (api.get(f"/v1/fallbacks/{NOBODY}"), api.delete(f"/v1/fallbacks/{NOBODY}")):
        assert (answer.status_code, code(answer)) == (404, "live-update.fallback.not-found")


@pytest.mark.parametrize(
    ("who", "reads", "changes"),
    [
        ("reader@mine", 200, 403),
        ("member@mine", 200, 202),
        ("admin@other", 200, 202),
        ("member@other", 404, 404),
        ("stranger@mine", 403, 403),
    ],
)
def test_who_may_see_and_who_may_end_a_fallback(
    api: TestClient, sqlite: Engine, who: str, reads: int, changes: int
) -> None:
    path = f"/v1/fallbacks/{kept(sqlite)}"
    assert api.get(path, headers=as_(who)).status_code == reads
    assert api.delete(path, headers=as_(who)).status_code == changes


@pytest.mark.parametrize(
    ("who", "status"), [("reader@mine", 403), ("member@mine", 202), ("member@other", 404), ("stranger@mine", 403)]
)
def test_who_may_restore(api: TestClient, sqlite: Engine, who: str, status: int) -> None:
    path = f"/v1/fallbacks/{kept(sqlite)}/actions"
    assert api.post(path, json={"action": "restore"}, headers=as_(who)).status_code == status


def test_only_an_administrator_lists_all_projects(api: TestClient, sqlite: Engine) -> None:
    job_id = kept(sqlite, project_id="other")
    assert api.get("/v1/fallbacks").json()["fallbacks"] == []
    assert api.get("/v1/fallbacks?all_projects=true").status_code == 403
    every = api.get("/v1/fallbacks?all_projects=true", headers=as_("admin@mine"))
    assert [f["id"] for f in every.json()["fallbacks"]] == [job_id]
