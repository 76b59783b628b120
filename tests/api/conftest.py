"""``api``: the whole API on SQLite. Only Keystone's word about a token, and Nova's about a server, are stood in for:
the token "member@project" is what Keystone would say of a member of that project. tests/api/test_keystone.py (lab) has
the real ones."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.auth import authorizer
from liveupdate.api.problems import Unauthorized
from liveupdate.api.services import Caller, Services
from liveupdate.context import RequestContext
from liveupdate.drivers.cloud.golden_images import Disk, GoldenImage
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.metrics import Nothing
from liveupdate.errors import Failed, NotFound
from liveupdate.methods import Method
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.captures import KERNEL
from liveupdate.testing.cloud import CloudDouble, with_server
from liveupdate.testing.cloud import World as CloudWorld
from liveupdate.testing.jobs import STEPS
from liveupdate.testing.servers import server
from liveupdate.testing.steps import World

IMAGE = "22222222-2222-4222-8222-222222222222"
SERVER = "11111111-1111-4111-8111-111111111111"
_IMPLIED = {
    "reader": ("reader",),
    "member": ("member", "reader"),
    "manager": ("manager", "member", "reader"),
    "admin": ("admin", "manager", "member", "reader"),
}


def authenticate(headers: Mapping[str, str]) -> Caller:
    role, at, project = headers.get("x-auth-token", "").partition("@")
    if not at:
        raise Unauthorized("no valid token")
    return Caller(RequestContext(f"user-{role}", project, _IMPLIED.get(role.rstrip("2"), (role,)), "req-x"))


@dataclass
class Cloud:
    trusts: list[str] = field(default_factory=list)
    made: int = 0
    golden: list[GoldenImage] = field(default_factory=list)

    def server_name(self, caller: Caller, server_id: str) -> str:
        if server_id.startswith("0"):
            raise NotFound("no server", code="live-update.server.not-found")
        return "web-1"

    def images(self, caller: Caller) -> list[GoldenImage]:
        return [image for image in self.golden if image.owner == caller.context.project_id]

    def image(self, caller: Caller, image_id: str) -> GoldenImage:
        for image in self.images(caller):
            if image.id == image_id:
                return image
        raise NotFound("no image", code="live-update.image.not-found")

    def create_trust(self, caller: Caller, roles: tuple[str, ...], expires_at: datetime) -> str:
        self.made += 1
        self.trusts.append(f"trust-{self.made}")
        return self.trusts[-1]

    def delete_trust(self, trust_id: str) -> None:
        self.trusts.remove(trust_id)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def world() -> CloudWorld:
    """The cloud's hosts, as the service user sees them; with a server of project "mine" on host1."""
    made = with_server()
    made.hosts = [Host(f"host{n}", provider_id=f"host{n}") for n in range(1, 4)]
    made.servers = {SERVER: server(SERVER, project_id="mine")}
    return made


authorize = cache(authorizer)


def services_of(engine: Engine, cloud: Cloud, infrastructure: Any) -> Services:
    """The API's surroundings, with a method of the engine's test steps."""
    steps = {**World().steps(*STEPS), "tidy": World().step("tidy", skippable=True)}
    back = tuple(steps[name] for name in ("copy", "switch", "open"))
    look, switch, release = steps["prepare"], steps["open"], steps["tidy"]
    together = (steps["copy"], steps["switch"], switch)
    method = Method("surrogate", "Test", tuple(steps.values()), (look,), switch, back, switch, release, together)
    return Services(
        engine=engine,
        authenticate=authenticate,
        authorize=authorize(),
        cloud=cloud,
        methods={"surrogate": method},
        trust_roles=("member",),
        nudge=lambda: None,
        infrastructure=infrastructure,
        metrics=Nothing(),
    )


@pytest.fixture
def services(sqlite: Engine, cloud: Cloud, world: CloudWorld) -> Services:
    return services_of(sqlite, cloud, lambda *_: CloudDouble(world, admin=True))


@pytest.fixture
def api(services: Services) -> Iterator[TestClient]:
    with TestClient(build_app(services), headers={"X-Auth-Token": "member@mine"}) as client:
        yield client


def golden(job_id: str = "job", owner: str = "mine") -> GoldenImage:
    told = {"liveupdate:job": job_id, "liveupdate:kernel": KERNEL, "liveupdate:source_server": SERVER}
    told |= {"liveupdate:captured_at": "2026-01-01T00:00:00+00:00", "os_distro": "debian"}
    disks = (Disk("snapshot-0", 3), Disk("snapshot-1", 1))
    return GoldenImage(IMAGE, "golden web", "active", owner, "2026-01-01T00:00:00Z", 3, 0, disks, told)


def fail(_: StepContext) -> None:
    raise Failed("stuck", remedy="free it")


def code(answer: Any) -> str:
    return str(answer.json()["errors"][0]["code"])


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, code(answer)


def as_(who: str) -> dict[str, str]:
    return {"X-Auth-Token": who}


def new(**more: object) -> dict[str, object]:
    return {"job": {"method": "surrogate", "server_id": SERVER, **more}}
