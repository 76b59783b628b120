"""The table of authorisation with the tokens of the lab's own Keystone: users, projects and roles made for it.

Only Nova's word about a server, and the trusts, are stood in for (tests/api/test_keystone.py has the real ones).
"""

import secrets
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient
from keystoneauth1.identity import v3
from keystoneauth1.session import Session
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.auth import authenticator
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.servers import server
from tests.api.authorisation import ROLES, TABLE, Route, Things, answered, expected
from tests.api.conformance import conform
from tests.api.conftest import SERVER, Cloud, services_of

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

PROJECTS = ("mine", "other")
ME = next(route for route in TABLE if route.path == "/v1/methods")


@dataclass(frozen=True)
class People:
    """A user for each role in each project."""

    url: str
    projects: dict[str, str]
    passwords: dict[tuple[str, str], tuple[str, str]]
    users: dict[tuple[str, str], str]

    def plugin(self, role: str, project: str, **scope: Any) -> v3.Password:
        name, password = self.passwords[role, project]
        where = scope or {"project_id": self.projects[project]}
        return v3.Password(self.url, username=name, password=password, user_domain_id="default", **where)

    def token(self, role: str, project: str, **scope: Any) -> str:
        return str(Session(auth=self.plugin(role, project, **scope)).get_token())


@pytest.fixture(scope="module")
def people(admin: Any) -> Iterator[People]:
    """Made in the lab's Keystone, and taken away again."""
    mark, identity = f"authz-{uuid.uuid4().hex[:6]}", admin.identity
    stranger = identity.create_role(name=f"{mark}-stranger")
    roles = {role: stranger.id if role == "stranger" else identity.find_role(role).id for role in ROLES}
    made: list[Callable[[], None]] = [partial(identity.delete_role, stranger)]
    projects, passwords, users = {}, {}, {}
    try:
        for project in PROJECTS:
            there = identity.create_project(name=f"{mark}-{project}", domain_id="default")
            made.append(partial(identity.delete_project, there))
            projects[project] = there.id
            for role in ROLES:
                name, password = f"{mark}-{role}-{project}", secrets.token_urlsafe()
                user = identity.create_user(name=name, password=password, domain_id="default")
                made.append(partial(identity.delete_user, user))
                identity.assign_project_role_to_user(there, user, roles[role])
                passwords[role, project], users[role, project] = (name, password), user.id
        yield People(admin.config.config["auth"]["auth_url"], projects, passwords, users)
    finally:
        for undo in reversed(made):
            undo()


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def api(sqlite: Engine, cloud: Cloud, clouds_yaml: None, people: People) -> Iterator[TestClient]:
    world = with_server()
    world.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 4)]
    world.servers = {SERVER: server(SERVER, project_id=people.projects["mine"])}
    doubles = services_of(sqlite, cloud, lambda *_: CloudDouble(world, admin=True))
    with TestClient(build_app(replace(doubles, authenticate=authenticator("liveupdate")))) as client:
        yield client


@pytest.fixture
def things(sqlite: Engine, cloud: Cloud, people: People) -> Things:
    return Things(sqlite, cloud, people.projects["mine"], "somebody")


@pytest.fixture(scope="module")
def tokens(people: People) -> dict[tuple[str, str], str]:
    return {(role, project): people.token(role, project) for role in ROLES for project in PROJECTS}


def ask(api: TestClient, things: Things, token: str, route: Route = ME) -> str:
    return answered(api, things, route, {"X-Auth-Token": token})


@pytest.mark.parametrize("route", TABLE, ids=lambda route: route.name)
def test_who_may_do_what(api: TestClient, things: Things, tokens: dict[tuple[str, str], str], route: Route) -> None:
    for (role, project), token in tokens.items():
        told = ask(api, things, token, route)
        assert (role, project, told) == (role, project, expected(route, role, own=project == "mine"))


def test_a_token_that_was_revoked_is_none(api: TestClient, things: Things, people: People) -> None:
    session = Session(auth=people.plugin("member", "mine"))
    token = str(session.get_token())
    session.delete(f"{people.url}/auth/tokens", headers={"X-Subject-Token": token})
    assert ask(api, things, token) == "unauthorized"


def test_a_token_that_has_expired_is_none(api: TestClient, things: Things, people: People, admin: Any) -> None:
    """One of a trust that lasts a few seconds, for tokens last no longer than their trust."""
    member = Session(auth=people.plugin("member", "mine"))
    ends = datetime.now(UTC) + timedelta(seconds=20)
    trust = {
        "trustor_user_id": people.users["member", "mine"],
        "trustee_user_id": people.users["member", "other"],
        "project_id": people.projects["mine"],
        "roles": [{"name": "reader"}],
        "impersonation": True,
        "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    made = member.post(f"{people.url}/OS-TRUST/trusts", json={"trust": trust}).json()["trust"]
    used, unused = (people.token("member", "other", trust_id=made["id"]) for _ in range(2))
    assert ask(api, things, used) == "allowed"
    time.sleep(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 2)
    # the other one may be remembered as valid for some minutes
    assert ask(api, things, unused) == "unauthorized"


@pytest.mark.parametrize("scope", [{"unscoped": True}, {"system_scope": "all"}, {"domain_id": "default"}])
def test_a_token_of_another_scope_is_refused(
    api: TestClient, things: Things, people: People, admin: Any, scope: dict[str, Any]
) -> None:
    user, role = people.users["admin", "mine"], admin.identity.find_role("admin").id
    if "system_scope" in scope:
        admin.identity.put(f"/system/users/{user}/roles/{role}")
    if "domain_id" in scope:
        admin.identity.put(f"/domains/default/users/{user}/roles/{role}")
    assert ask(api, things, people.token("admin", "mine", **scope)) == "no-project"


def test_an_application_credential_has_the_rights_that_it_was_given(
    api: TestClient, things: Things, people: People
) -> None:
    member = Session(auth=people.plugin("member", "mine"))
    body = {"application_credential": {"name": "few", "roles": [{"name": "reader"}]}}
    url = f"{people.url}/users/{people.users['member', 'mine']}/application_credentials"
    made = member.post(url, json=body).json()["application_credential"]
    plugin = v3.ApplicationCredential(
        people.url, application_credential_id=made["id"], application_credential_secret=made["secret"]
    )
    token = str(Session(auth=plugin).get_token())
    told = {route.name: ask(api, things, token, route) for route in TABLE if "{job}" in route.path}
    assert told["GET /v1/jobs/{job}"] == "allowed"
    assert told["POST /v1/jobs/{job}/actions cancel"] == "forbidden"


def test_everything_that_is_answered_is_documented(
    api: TestClient, things: Things, tokens: dict[tuple[str, str], str]
) -> None:
    seen = conform(api.app, {"X-Auth-Token": tokens["admin", "mine"]}, things)
    assert len(seen) > 25
