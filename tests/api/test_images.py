"""The API of golden images, as a specification."""

import base64
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.db import jobs, resources
from liveupdate.db.session import read, write
from liveupdate.drivers.cloud.golden_images import Disk, GoldenImage
from liveupdate.states import ResourceState
from liveupdate.testing.captures import KERNEL
from liveupdate.testing.jobs import accept
from tests.api.conftest import SERVER, Cloud, as_
from tests.api.test_jobs import code

IMAGE = "22222222-2222-4222-8222-222222222222"
VOLUME = "33333333-3333-4333-8333-333333333333"
NETWORK = "44444444-4444-4444-8444-444444444444"
CAPTURE = {"server_id": SERVER, "name": "golden web", "volumes": [VOLUME]}
DEPLOY = {"action": "deploy", "name": "web", "count": 3, "flavor_id": "m1.small", "network_id": NETWORK}


def golden(job_id: str = "job", owner: str = "mine") -> GoldenImage:
    told = {"liveupdate:job": job_id, "liveupdate:kernel": KERNEL, "liveupdate:source_server": SERVER}
    told |= {"liveupdate:captured_at": "2026-01-01T00:00:00+00:00", "os_distro": "debian"}
    disks = (Disk("snapshot-0", 3), Disk("snapshot-1", 1))
    return GoldenImage(IMAGE, "golden web", "active", owner, "2026-01-01T00:00:00Z", 3, 0, disks, told)


@pytest.fixture
def image(cloud: Cloud) -> str:
    cloud.golden.append(golden())
    return f"/v1/images/{IMAGE}"


def test_an_image_tells_what_it_boots_where_it_comes_from_and_what_is_behind_it(api: TestClient, image: str) -> None:
    told = api.get(image).json()["image"]
    assert (told["id"], told["name"], told["size"], told["kernel"]) == (IMAGE, "golden web", 4, KERNEL)
    assert (told["source_server_id"], told["job_id"]) == (SERVER, "job")
    assert told["disks"] == [{"snapshot_id": "snapshot-0", "size": 3}, {"snapshot_id": "snapshot-1", "size": 1}]
    assert api.get("/v1/images").json()["images"] == [told]


def test_images_of_other_projects_are_not_there(api: TestClient, cloud: Cloud) -> None:
    cloud.golden.append(golden(owner="theirs"))
    assert api.get("/v1/images").json()["images"] == []
    for answer in (
        api.get(f"/v1/images/{IMAGE}"),
        api.delete(f"/v1/images/{IMAGE}"),
        api.post(f"/v1/images/{IMAGE}/actions", json=DEPLOY),
    ):
        assert (answer.status_code, code(answer)) == (404, "live-update.image.not-found")
    assert cloud.trusts == []


def test_a_capture_is_a_job_of_its_server(api: TestClient, cloud: Cloud) -> None:
    answer = api.post("/v1/images", json={"image": CAPTURE})
    assert answer.status_code == 202
    job = api.get(answer.headers["Location"]).json()["job"]
    assert (job["method"], job["server"], job["pivot"]) == ("capture", {"id": SERVER, "name": "web-1"}, "publish_image")
    assert job["parameters"] == {"name": "golden web", "volumes": [VOLUME]}
    assert cloud.trusts == ["trust-1"]
    again = api.post("/v1/images", json={"image": CAPTURE})
    assert (again.status_code, code(again)) == (409, "live-update.job.server-busy")


def test_a_preview_of_a_capture_is_no_job_and_tells_what_would_be_captured(api: TestClient) -> None:
    answer = api.post("/v1/images", json={"preview": CAPTURE})
    assert answer.status_code == 202
    preview = api.get(answer.headers["Location"]).json()["preview"]
    assert (preview["method"], preview["captured"]) == ("capture", [])
    assert api.get("/v1/jobs?method=capture").json()["jobs"] == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"image": CAPTURE, "preview": CAPTURE},
        {"image": {**CAPTURE, "name": ""}},
        {"image": {**CAPTURE, "name": "x" * 256}},
        {"image": {**CAPTURE, "name": "two\nlines"}},
        {"image": {**CAPTURE, "volumes": ["../etc"]}},
        {"image": {**CAPTURE, "color": "red"}},
    ],
)
def test_a_capture_that_is_malformed_is_refused(api: TestClient, body: dict[str, Any], cloud: Cloud) -> None:
    assert api.post("/v1/images", json=body).status_code == 400
    assert cloud.trusts == []


def test_a_deployment_is_a_job_of_numbered_servers_and_there_may_be_many(api: TestClient, image: str) -> None:
    first, second = (api.post(f"{image}/actions", json=DEPLOY) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    job = api.get(first.headers["Location"]).json()["job"]
    assert (job["method"], job["pivot"]) == ("deploy", "prove_deployed")
    assert job["parameters"]["names"] == ["web-1", "web-2", "web-3"]
    assert (job["parameters"]["image_id"], job["parameters"]["flavor_id"]) == (IMAGE, "m1.small")


def test_user_data_reaches_the_job_and_nobody_else(api: TestClient, image: str, sqlite: Engine) -> None:
    secret = base64.b64encode(b"#cloud-config\npassword: hush\n").decode()
    job = api.post(f"{image}/actions", json={**DEPLOY, "user_data": secret}).json()["job"]
    with read(sqlite) as connection:
        assert jobs.get(connection, job["id"]).parameters["user_data"] == secret
    assert secret not in api.get(f"/v1/jobs/{job['id']}").text
    assert secret not in api.get("/v1/jobs").text


@pytest.mark.parametrize(
    "change",
    [
        {"count": 0},
        {"count": 51},
        {"name": "-x"},
        {"name": "a b"},
        {"network_id": "lab"},
        {"user_data": "not base64!"},
        {"action": "erase"},
        {"key_name": "a/b"},
    ],
)
def test_a_deployment_that_is_malformed_is_refused(api: TestClient, image: str, change: dict[str, Any]) -> None:
    assert api.post(f"{image}/actions", json={**DEPLOY, **change}).status_code == 400


def test_delete_is_a_job_of_which_there_is_one_and_closes_the_lines_of_the_capture(
    api: TestClient, cloud: Cloud, sqlite: Engine
) -> None:
    maker = accept(sqlite, method="capture")

    def keep(connection: Any) -> int:
        line = resources.add(connection, maker, "image", "golden", "name", {})
        line = resources.created(connection, line, IMAGE, None)
        resources.close(connection, line, ResourceState.KEPT, None)
        return line.id

    line = write(sqlite, keep)
    cloud.golden.append(golden(maker))
    answer = api.delete(f"/v1/images/{IMAGE}")
    job = api.get(answer.headers["Location"]).json()["job"]
    assert (answer.status_code, job["method"], job["parameters"]["kept_lines"]) == (202, "image_delete", [line])
    again = api.delete(f"/v1/images/{IMAGE}")
    assert (again.status_code, code(again)) == (409, "live-update.job.busy")
    assert job["id"] in again.json()["errors"][0]["detail"]


def test_an_update_takes_the_wish_for_an_image_along(api: TestClient) -> None:
    wish = {"name": "golden", "volumes": [VOLUME]}
    body = {"job": {"method": "surrogate", "server_id": SERVER, "capture": wish}}
    assert api.post("/v1/jobs", json=body).json()["job"]["parameters"]["capture"] == wish


@pytest.mark.parametrize(
    ("who", "allowed"), [("reader@mine", False), ("member@mine", True), ("member@theirs", False), ("nobody", False)]
)
def test_members_of_the_project_may(api: TestClient, image: str, who: str, allowed: bool) -> None:
    answers = [
        api.post("/v1/images", json={"image": CAPTURE}, headers=as_(who)),
        api.post(f"{image}/actions", json=DEPLOY, headers=as_(who)),
        api.delete(image, headers=as_(who)),
    ]
    if who == "member@theirs":
        # the server double knows no projects; images are those of the caller's
        answers = answers[1:]
    assert [answer.status_code == 202 for answer in answers] == [allowed] * len(answers)


def test_readers_may_look(api: TestClient, image: str) -> None:
    assert api.get(image, headers=as_("reader@mine")).status_code == 200
    assert api.get("/v1/images", headers=as_("reader@mine")).status_code == 200
