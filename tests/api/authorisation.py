"""Who may do what: every route, every role, in the project that a thing belongs to and in another one.

The table is run twice: with the policy engine and made-up callers (test_authorisation.py), and with the real Keystone's
tokens (tests/lab/test_authorisation.py).
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.db import jobs
from liveupdate.db.session import write
from liveupdate.model import JobKind
from liveupdate.testing.fallbacks import updated
from liveupdate.testing.jobs import PLAN, new_job
from tests.api.conftest import SERVER, Cloud, golden, new

#: From the least to the most; the first two may do nothing at all.
ROLES = ("stranger", "service", "reader", "member", "manager", "admin")


@dataclass(frozen=True)
class Route:
    """``least``: the role that it takes in the project that the thing belongs to.

    ``shared``: it is of nobody's project (methods, hosts), or of the caller's own (lists, what is created): the role
    alone decides. Otherwise it is not found by callers of another project, administrators excepted; ``owned``: not even
    by them, as Glance has it and the caller's project counts.
    """

    method: str
    path: str
    least: str
    body: Mapping[str, Any] | None = None
    shared: bool = False
    owned: bool = False

    @property
    def name(self) -> str:
        action = self.body.get("action", "") if self.body else ""
        return f"{self.method} {self.path} {action}".rstrip()


def _actions(least: str, *actions: str) -> tuple[Route, ...]:
    return tuple(Route("POST", "/v1/jobs/{job}/actions", least, {"action": action}) for action in actions)


_PREVIEW = {"preview": new()["job"]}
_CAPTURE = {"server_id": SERVER, "name": "golden"}
_DEPLOY = {"action": "deploy", "name": "web", "flavor_id": "small", "network_id": SERVER}
_GOLD = {"host_group": {"name": "silver"}}

TABLE = (
    Route("GET", "/v1/jobs", "reader", shared=True),
    Route("GET", "/v1/jobs?all_projects=true", "admin", shared=True),
    Route("POST", "/v1/jobs", "member", new(), shared=True),
    Route("POST", "/v1/jobs", "manager", new(host_group="gold"), shared=True),
    Route("GET", "/v1/jobs/{job}", "reader"),
    Route("GET", "/v1/jobs/{job}/steps", "reader"),
    Route("GET", "/v1/jobs/{job}/events", "reader"),
    Route("GET", "/v1/jobs/{job}/resources", "reader"),
    Route("GET", "/v1/jobs/{job}/report", "reader"),
    *_actions("member", "start", "pause", "resume", "cancel", "confirm", "rollback", "retry", "skip-step", "cleanup"),
    *_actions("manager", "approve"),
    Route("GET", "/v1/previews", "reader", shared=True),
    Route("POST", "/v1/previews", "member", _PREVIEW, shared=True),
    Route("GET", "/v1/previews/{preview}", "reader"),
    Route("GET", "/v1/methods", "reader", shared=True),
    Route("GET", "/v1/fallbacks", "reader", shared=True),
    Route("GET", "/v1/fallbacks?all_projects=true", "admin", shared=True),
    Route("GET", "/v1/fallbacks/{fallback}", "reader"),
    Route("DELETE", "/v1/fallbacks/{fallback}", "member"),
    Route("POST", "/v1/fallbacks/{fallback}/actions", "member", {"action": "restore"}),
    Route("POST", "/v1/fallbacks/{fallback}/actions", "member", {"action": "preview"}),
    Route("GET", "/v1/images", "reader", shared=True),
    Route("POST", "/v1/images", "member", {"image": _CAPTURE}, shared=True),
    Route("POST", "/v1/images", "member", {"preview": _CAPTURE}, shared=True),
    Route("GET", "/v1/images/{image}", "reader", owned=True),
    Route("DELETE", "/v1/images/{image}", "member", owned=True),
    Route("POST", "/v1/images/{image}/actions", "member", _DEPLOY, owned=True),
    Route("GET", "/v1/host-groups", "manager", shared=True),
    Route("POST", "/v1/host-groups", "admin", _GOLD, shared=True),
    Route("GET", "/v1/host-groups/default", "manager", shared=True),
    Route("PATCH", "/v1/host-groups/default", "admin", {"host_group": {"policy": "packing"}}, shared=True),
    Route("DELETE", "/v1/host-groups/default", "admin", shared=True),
    Route("POST", "/v1/host-groups/default/hosts", "admin", {"host": "host1"}, shared=True),
    Route("DELETE", "/v1/host-groups/default/hosts/host1", "admin", shared=True),
    Route("GET", "/v1/health", "admin", shared=True),
    Route("POST", "/v1/placements", "manager", {"placement": {"server_id": SERVER}}),
    Route("GET", "/v1/placements/{job}", "manager"),
)


@dataclass
class Things:
    """What the routes are about, in one project, made anew for every question."""

    engine: Engine
    cloud: Cloud
    project_id: str
    user_id: str

    def path(self, route: Route) -> str:
        found = route.path
        for kind in ("job", "preview", "fallback", "image"):
            if f"{{{kind}}}" in found:
                found = found.replace(f"{{{kind}}}", self.make(kind))
        return found

    def make(self, kind: str) -> str:
        if kind == "job":
            return self._accept(kind=JobKind.UPDATE, approval="needed")
        if kind == "preview":
            return self._accept(kind=JobKind.PREVIEW, plan=replace(PLAN, steps=PLAN.steps[:1]))
        if kind == "image":
            self.cloud.golden.append(replace(golden(owner=self.project_id), id=str(uuid.uuid4())))
            return self.cloud.golden[-1].id
        return updated(self.engine, project_id=self.project_id, made=SERVER, server_name="web-1")

    def _accept(self, **changes: Any) -> str:
        job = new_job(project_id=self.project_id, user_id=self.user_id, method="surrogate", **changes)
        return write(self.engine, lambda connection: jobs.create(connection, job))[0].id


def expected(route: Route, role: str, *, own: bool) -> str:
    """ "allowed", "forbidden" or "hidden"."""
    enough = role not in ROLES[:2] and ROLES.index(role) >= ROLES.index(route.least)
    if route.owned and not own:
        return "hidden" if enough else "forbidden"
    if role == "admin" or (enough and (own or route.shared)):
        return "allowed"
    # who may explain no placement at all is not told which servers there are
    if route.path == "/v1/placements" and not enough:
        return "forbidden"
    return "forbidden" if own or route.shared else "hidden"


def answered(api: TestClient, things: Things, route: Route, headers: Mapping[str, str]) -> str:
    """What came back, in the same words. A refusal for another reason than the caller's rights is "allowed"."""
    answer = api.request(route.method, things.path(route), json=route.body, headers=dict(headers))
    assert answer.status_code < 500, answer.text
    code = answer.json()["errors"][0]["code"] if answer.status_code >= 400 else ""
    words = {
        "live-update.auth.unauthorized": "unauthorized",
        "live-update.auth.no-project": "no-project",
        "live-update.policy.forbidden": "forbidden",
        "live-update.trust.no-role": "forbidden",
        "live-update.job.not-found": "hidden",
        "live-update.fallback.not-found": "hidden",
        "live-update.server.not-found": "hidden",
        "live-update.image.not-found": "hidden",
    }
    return words.get(code, "allowed")
