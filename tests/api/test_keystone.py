"""The API with the real Keystone and Nova of the lab: tokens, roles, projects, trusts, and the stock client."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openstack
import pytest
import requests
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from lab import settings as lab
from liveupdate.api.auth import authenticator, authorizer
from liveupdate.api.cloud import CallersCloud
from liveupdate.api.services import Services
from liveupdate.client import add_service
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine
from liveupdate.drivers.cloud import Clouds, trusts
from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.runner import Runner
from liveupdate.methods import Method
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import STEPS, look, surroundings, work, work_once
from liveupdate.testing.steps import World
from liveupdate.worker.reaper import delete_trusts
from tests.api.serving import serving

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

CLOUDS = lab.STATE / "clouds.yaml"


def connect(cloud: str) -> Any:
    return openstack.connect(cloud=cloud)


@pytest.fixture(scope="module", autouse=True)
def clouds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(CLOUDS))
        yield


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    engine = open_engine(f"sqlite:///{tmp_path_factory.mktemp('api')}/liveupdate.sqlite")
    upgrade(engine)
    return engine


@pytest.fixture(scope="module")
def api(clouds: None, engine: Any) -> Iterator[str]:
    steps = World().steps(*STEPS)
    look, switch, release = steps["prepare"], steps["open"], steps["tidy"]
    method = Method("surrogate", "Test", tuple(steps.values()), (look,), switch, (switch,), switch, release)
    cloud, methods = CallersCloud(Clouds("liveupdate")), {"surrogate": method}
    services = Services(
        engine=engine,
        authenticate=authenticator("liveupdate"),
        authorize=authorizer(),
        cloud=cloud,
        methods=methods,
        trust_roles=("member",),
        nudge=lambda: None,
        infrastructure=Clouds("liveupdate").infrastructure,
        metrics=Nothing(),
    )
    # the catalog says where
    with serving(services, 9323) as url:
        yield url


@pytest.fixture(scope="module")
def server(clouds: None) -> Iterator[str]:
    """A server of project demo, on a host with the fake driver."""
    demo = connect("demo")
    image, network = demo.image.find_image("tiny"), demo.network.find_network("lab")
    flavor = demo.compute.find_flavor("tiny")
    made = demo.compute.create_server(
        name=f"api-{uuid.uuid4().hex[:6]}", image_id=image.id, flavor_id=flavor.id, networks=[{"uuid": network.id}]
    )
    demo.compute.wait_for_server(made, interval=0.5, wait=120)
    yield made.id
    demo.compute.delete_server(made)
    demo.compute.wait_for_delete(made, interval=0.5, wait=60)


def token(cloud: str) -> dict[str, str]:
    return {"X-Auth-Token": connect(cloud).session.get_token()}


def create(api: str, cloud: str, server: str) -> requests.Response:
    body = {"job": {"method": "surrogate", "server_id": server}}
    return requests.post(f"{api}/v1/jobs", json=body, headers=token(cloud), timeout=60)


def trusts_there() -> set[str]:
    return {t["id"] for t in connect("admin").identity.get("/OS-TRUST/trusts").json()["trusts"]}


@pytest.mark.parametrize("sent", [{}, {"X-Auth-Token": "rubbish"}, {"X-Auth-Token": "gAAAAAB" + "x" * 180}])
def test_a_missing_or_bad_token_is_401(api: str, sent: dict[str, str]) -> None:
    answer = requests.get(f"{api}/v1/jobs", headers=sent, timeout=60)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["code"] == "live-update.auth.unauthorized"


def test_an_unscoped_token_is_refused(api: str) -> None:
    auth = connect("demo").config.config["auth"]
    identity = {"methods": ["password"], "password": {"user": {"name": auth["username"], "password": auth["password"]}}}
    identity["password"]["user"]["domain"] = {"name": "Default"}  # type: ignore[index]
    body = {"auth": {"identity": identity, "scope": "unscoped"}}
    made = requests.post(f"{auth['auth_url']}/auth/tokens", json=body, timeout=60)
    sent = {"X-Auth-Token": made.headers["X-Subject-Token"]}
    answer = requests.get(f"{api}/v1/jobs", headers=sent, timeout=60)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "live-update.auth.no-project")


def test_a_reader_sees_and_may_not_create(api: str, server: str) -> None:
    assert requests.get(f"{api}/v1/jobs", headers=token("reader"), timeout=60).status_code == 200
    before = trusts_there()
    assert create(api, "reader", server).status_code == 403
    assert trusts_there() == before


def test_jobs_of_one_moment_have_a_trust_each(clouds: None) -> None:
    demo, service = connect("demo").session, Clouds("liveupdate").service_connection().session
    who = (demo.get_user_id(), service.get_user_id(), demo.get_project_id())
    ends = datetime.now(UTC) + timedelta(hours=1)
    made = [trusts.create(demo, *who, ("member",), ends) for _ in range(3)]
    try:
        assert len(set(made)) == 3
    finally:
        for trust in made:
            trusts.delete(service, trust)


def test_a_job_has_a_trust_with_few_roles_that_goes_when_it_ends(api: str, server: str, engine: Any) -> None:
    before = trusts_there()
    answer = create(api, "demo", server)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]["id"]
    [made] = trusts_there() - before
    trust = connect("admin").identity.get(f"/OS-TRUST/trusts/{made}").json()["trust"]
    assert [role["name"] for role in trust["roles"]] == ["member"]
    assert (trust["impersonation"], trust["redelegation_count"]) == (True, 0)
    assert trust["expires_at"]
    headers = token("demo")
    assert requests.get(f"{api}/v1/jobs/{job}", headers=token("admin"), timeout=60).status_code == 200
    cancelled = requests.post(f"{api}/v1/jobs/{job}/actions", json={"action": "cancel"}, headers=headers, timeout=60)
    assert cancelled.status_code == 202
    work_once(engine, World())
    service = Clouds("liveupdate").service_connection().session
    assert delete_trusts(engine, lambda trust_id: trusts.delete(service, trust_id)) == 1
    assert trusts_there() == before
    trusts.delete(service, made)


def test_another_projects_server_is_not_found(api: str, server: str) -> None:
    before = trusts_there()
    assert create(api, "admin", server).status_code == 404
    assert trusts_there() == before


def test_the_sdk_finds_the_service_in_the_catalog(api: str) -> None:
    demo = connect("demo")
    proxy = add_service(demo)
    assert [job.state for job in proxy.jobs()] == ["cancelled"]


def openstack_as_demo(stock: Path, *argv: str) -> "subprocess.CompletedProcess[str]":
    """Like any user of the cloud: only the client is installed, and Keystone's catalog tells the rest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(stock / "openstack"), "--os-cloud", "demo", *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=stock, env=environment)


def test_the_catalog_names_the_service_without_a_version(api: str, stock: Path) -> None:
    shown = openstack_as_demo(stock, "catalog", "show", "live-update", "-f", "json")
    assert shown.returncode == 0, shown.stderr
    [endpoint] = [e for e in json.loads(shown.stdout)["endpoints"] if e["interface"] == "public"]
    assert endpoint["url"].rstrip("/") == api


def test_the_stock_command_line_lists_jobs(api: str, stock: Path) -> None:
    done = openstack_as_demo(stock, "live", "update", "job", "list", "-f", "value", "-c", "state")
    assert (done.returncode, done.stdout.strip()) == (0, "cancelled"), done.stderr


def test_the_stock_command_line_tells_code_and_remedy(api: str, stock: Path) -> None:
    done = openstack_as_demo(stock, "live", "update", "job", "show", str(uuid.uuid4()))
    assert done.returncode == 1
    assert "live-update.job.not-found" in done.stderr
    assert "Remedy:" in done.stderr


@pytest.mark.parametrize("unrestricted", [False, True])
def test_an_application_credential_may_look_but_keystone_lets_it_make_no_trust(
    api: str, server: str, unrestricted: bool
) -> None:
    demo = connect("demo")
    user, before = demo.session.get_user_id(), trusts_there()
    body = {"application_credential": {"name": uuid.uuid4().hex, "unrestricted": unrestricted}}
    made = demo.identity.post(f"/users/{user}/application_credentials", json=body).json()["application_credential"]
    try:
        auth = v3.ApplicationCredential(
            demo.config.config["auth"]["auth_url"],
            application_credential_id=made["id"],
            application_credential_secret=made["secret"],
        )
        headers = {"X-Auth-Token": str(Session(auth=auth).get_token())}
        assert requests.get(f"{api}/v1/jobs", headers=headers, timeout=60).status_code == 200
        job = {"job": {"method": "surrogate", "server_id": server}}
        answer = requests.post(f"{api}/v1/jobs", json=job, headers=headers, timeout=60)
        assert answer.status_code == 403, answer.text
        [error] = answer.json()["errors"]
        assert error["code"] == "live-update.trust.refused"
        assert "password" in error["remedy"]
        assert trusts_there() == before
    finally:
        demo.identity.delete(f"/users/{user}/application_credentials/{made['id']}")


def test_a_job_whose_trust_was_revoked_stops_and_is_undone(api: str, server: str, engine: Any) -> None:
    before = trusts_there()
    job_id = create(api, "demo", server).json()["job"]["id"]
    [made] = trusts_there() - before
    connect("demo").identity.delete(f"/OS-TRUST/trusts/{made}")
    world = World()

    def asks_the_cloud(context: StepContext) -> None:
        context.user_cloud().servers.get(server)

    world.faults["apply", "copy"] = asks_the_cloud
    world_outside = replace(surroundings(), user_cloud=Clouds("liveupdate").user)
    assert work(engine, Runner(world_outside, world.steps(*STEPS))) == job_id
    job, _ = look(engine, job_id)
    assert (job.state, world.done) == ("undone", [])
    assert job.code == "live-update.trust.gone", job
    assert "cleanup" in job.remedy
