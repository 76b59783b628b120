"""The table of authorisation against the policy engine; what an administrator of another cloud's projects may do."""

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from tests.api.authorisation import ROLES, TABLE, Route, Things, answered, expected
from tests.api.conftest import Cloud, as_

_PUBLIC = {("GET", "/"), ("GET", "/v1/"), ("GET", "/v1"), ("GET", "/healthcheck")}


@pytest.fixture
def things(sqlite: Engine, cloud: Cloud) -> Things:
    return Things(sqlite, cloud, "mine", "somebody")


@pytest.mark.parametrize("route", TABLE, ids=lambda route: route.name)
def test_who_may_do_what(api: TestClient, things: Things, route: Route) -> None:
    for role in ROLES:
        for project in ("mine", "other"):
            told = answered(api, things, route, as_(f"{role}@{project}"))
            assert (role, project, told) == (role, project, expected(route, role, own=project == "mine"))


@pytest.mark.parametrize("route", TABLE, ids=lambda route: route.name)
def test_without_a_token_nobody_may_do_anything(api: TestClient, things: Things, route: Route) -> None:
    for headers in ({"X-Auth-Token": ""}, {"X-Auth-Token": "rubbish"}):
        assert answered(api, things, route, headers) == "unauthorized"


def test_the_table_has_every_route_and_every_action(api: TestClient) -> None:
    document = api.get("/openapi.json").json()
    there = {(m.upper(), path) for path, methods in document["paths"].items() for m in methods} - _PUBLIC
    known = {
        "default": "{name}",
        "host1": "{host}",
        "{job}": "{job_id}",
        "{preview}": "{preview_id}",
        "{fallback}": "{fallback_id}",
        "{image}": "{image_id}",
    }
    told = set()
    for route in TABLE:
        path = re.sub("|".join(map(re.escape, known)), lambda found: known[found[0]], route.path.partition("?")[0])
        told.add((route.method, path))
    assert told == there
    actions = {route.body["action"] for route in TABLE if route.body and route.path == "/v1/jobs/{job}/actions"}
    assert actions == set(document["components"]["schemas"]["JobAction"]["properties"]["action"]["enum"])
