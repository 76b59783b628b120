"""Fifty clients at once, over HTTP, on each database: no job is lost, none is made twice, no limit is passed."""

import json
import urllib.error
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from liveupdate.api.services import Caller, Services
from liveupdate.db import tables
from liveupdate.db.session import read
from liveupdate.settings import Limits
from liveupdate.testing.jobs import STEPS, unreachable
from tests.api.conftest import Cloud, new, services_of
from tests.api.serving import serving

CLIENTS = 50

#: (HTTP status, body)
Answer = tuple[int, Any]


@dataclass
class Trusting(Cloud):
    """Knows each trust that it has given, however many are asked for at once."""

    given: set[str] = field(default_factory=set)

    def create_trust(self, caller: Caller, roles: tuple[str, ...], expires_at: datetime) -> str:
        trust = str(uuid.uuid4())
        self.given.add(trust)
        return trust

    def delete_trust(self, trust_id: str) -> None:
        self.given.remove(trust_id)


@pytest.fixture
def cloud() -> Trusting:
    return Trusting()


@pytest.fixture
def services(database: Engine, cloud: Trusting) -> Services:
    return replace(services_of(database, cloud, unreachable), limits=Limits(rate_limit=0, jobs_per_project=0))


def ask(root: str, server: str, key: str = "") -> Answer:
    headers = {"X-Auth-Token": "member@mine", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": key} if key else {}
    body = json.dumps(new(server_id=server)).encode()
    request = urllib.request.Request(f"{root}/v1/jobs", body, headers)  # noqa: S310 - http, to ourselves
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
            return answer.status, json.load(answer)["job"]
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["errors"][0]


def at_once(services: Services, work: Callable[[str, int], Sequence[Answer]]) -> list[Answer]:
    """What all the clients were answered; ``work``: (root URL, number of the client) → what it was."""
    ready = Barrier(CLIENTS)

    def client(number: int) -> Sequence[Answer]:
        ready.wait()
        return work(root, number)

    with serving(services) as root, ThreadPoolExecutor(CLIENTS) as clients:
        return [answer for answers in clients.map(client, range(CLIENTS)) for answer in answers]


def server(number: int) -> str:
    # the double has no servers whose ids begin with 0
    return f"1{number:07x}-1111-4111-8111-111111111111"


def stored(engine: Engine) -> list[str]:
    """The jobs that there are, each whole: with all of its steps, and one first event."""
    with read(engine) as connection:
        found = list(connection.scalars(select(tables.jobs.c.id)))
        steps = connection.execute(select(tables.steps.c.job_id, func.count()).group_by(tables.steps.c.job_id)).all()
        told = connection.execute(select(tables.events.c.job_id, tables.events.c.type)).all()
    assert dict(steps) == dict.fromkeys(found, len(STEPS))
    assert Counter(job for job, _ in told) == Counter(found)
    return sorted(found)


def test_each_client_gets_its_own_jobs(services: Services, database: Engine, cloud: Trusting) -> None:
    each = 4
    answers = at_once(services, lambda root, n: [ask(root, server(n * each + m)) for m in range(each)])
    assert Counter(status for status, _ in answers) == {202: CLIENTS * each}
    assert sorted(job["id"] for _, job in answers) == stored(database)
    assert len(cloud.given) == CLIENTS * each


def test_the_same_key_of_several_clients_at_once_makes_one_job(
    services: Services, database: Engine, cloud: Trusting
) -> None:
    """Ten keys, each of five clients, and each client says everything three times."""
    answers = at_once(services, lambda root, n: [ask(root, server(n % 10), key=f"key-{n % 10}") for _ in range(3)])
    assert Counter(status for status, _ in answers) == {202: CLIENTS * 3}, answers
    by_server = {(job["server"]["id"], job["id"]) for _, job in answers}
    assert len(by_server) == 10
    assert sorted(job for _, job in by_server) == stored(database)
    assert len(cloud.given) == 10


def test_one_key_for_different_requests_makes_one_job(services: Services, database: Engine, cloud: Trusting) -> None:
    answers = at_once(services, lambda root, n: [ask(root, server(n), key="key")])
    assert Counter(status for status, _ in answers) == {202: 1, 409: CLIENTS - 1}
    assert {error["code"] for status, error in answers if status == 409} == {"live-update.idempotency.key-reused"}
    assert [job["id"] for status, job in answers if status == 202] == stored(database)
    assert len(cloud.given) == 1


def test_one_server_is_updated_once(services: Services, database: Engine, cloud: Trusting) -> None:
    answers = at_once(services, lambda root, n: [ask(root, server(0), key=f"key-{n}")])
    assert Counter(status for status, _ in answers) == {202: 1, 409: CLIENTS - 1}
    assert {error["code"] for status, error in answers if status == 409} == {"live-update.job.server-busy"}
    assert [job["id"] for status, job in answers if status == 202] == stored(database)
    assert len(cloud.given) == 1


def test_no_project_gets_more_jobs_than_it_may_have(services: Services, database: Engine, cloud: Trusting) -> None:
    limited = replace(services, limits=Limits(rate_limit=0, jobs_per_project=20))
    answers = at_once(limited, lambda root, n: [ask(root, server(n))])
    assert Counter(status for status, _ in answers) == {202: 20, 403: CLIENTS - 20}
    assert sorted(job["id"] for status, job in answers if status == 202) == stored(database)
    assert len(cloud.given) == 20
