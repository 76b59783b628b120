"""The OpenAPI document is honest: whatever is asked, no 5xx, no status or shape that it does not tell of."""

from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from liveupdate.api.app import build_app
from liveupdate.api.services import Services
from liveupdate.settings import Limits
from tests.api.authorisation import Things
from tests.api.conformance import conform
from tests.api.conftest import Cloud, as_, code, new


@pytest.mark.filterwarnings("ignore::Warning")
def test_everything_that_is_answered_is_documented(services: Services, sqlite: Engine, cloud: Cloud) -> None:
    app = build_app(replace(services, limits=Limits(rate_limit=0, jobs_per_project=0)))
    seen = conform(app, as_("admin@mine"), Things(sqlite, cloud, "mine", "somebody"))
    assert {label for label, statuses in seen.items() if not any(status < 400 for status in statuses)} <= {
        # no name of a host comes to mind, and no job of the test's has been placed
        "POST /v1/host-groups/{name}/hosts",
        "DELETE /v1/host-groups/{name}/hosts/{host}",
        "GET /v1/placements/{job_id}",
    }


def test_every_route_tells_how_it_refuses(services: Services) -> None:
    with TestClient(build_app(services)) as client:
        document = client.get("/openapi.json", headers=as_("reader@mine")).json()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            statuses = set(operation["responses"])
            assert statuses >= {"400", "401", "403", "406", "413", "429", "500", "503"}, (method, path)
            assert "422" not in statuses
            assert "404" in statuses or "{" not in path
    assert "HTTPValidationError" not in document["components"]["schemas"]


#: They answer at once, and a second time the same.
WITHOUT_A_KEY = ("/v1/jobs/{job_id}/actions", "/v1/placements", "/v1/host-groups")


def test_every_route_that_makes_a_job_takes_an_idempotency_key(services: Services) -> None:
    with TestClient(build_app(services)) as client:
        document = client.get("/openapi.json", headers=as_("reader@mine")).json()
        for path, methods in document["paths"].items():
            for method in {"post", "delete"} & set(methods):
                named = {parameter["name"].lower() for parameter in methods[method].get("parameters", ())}
                assert ("idempotency-key" in named) != path.startswith(WITHOUT_A_KEY), (method, path)
        answer = client.post("/v1/jobs", json=new(), headers=as_("member@mine") | {"Idempotency-Key": "k" * 256})
    assert (answer.status_code, code(answer)) == (400, "live-update.request.invalid")
