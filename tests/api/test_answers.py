"""Everything that is told of a whole update is in the OpenAPI document, field by field."""

from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import Engine

from liveupdate.api.schemas import answers
from liveupdate.states import OPEN
from tests.api.conftest import SERVER
from tests.docs.site import Site
from tests.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore::Warning")


def fields(value: Any, at: str = "") -> set[str]:
    """Of all objects in it, by their paths."""
    if isinstance(value, dict):
        return {f"{at}.{key}" for key in value}.union(*(fields(part, f"{at}.{key}") for key, part in value.items()))
    return set().union(*(fields(part, f"{at}[]") for part in value)) if isinstance(value, list) else set()


def test_an_update_from_its_preview_to_its_fallback(sqlite: Engine) -> None:
    with Site(sqlite).running() as site:
        service = site.client("").live_update
        preview = service.create_preview(method="surrogate", server_id=SERVER)
        until(lambda: service.get_preview(preview.id).state not in OPEN)
        job = service.create_job(method="surrogate", server_id=SERVER, preview_id=preview.id)
        until(lambda: service.get_job(job.id).state not in OPEN)
        told: dict[str, tuple[type[BaseModel], Any]] = {
            "preview": (answers.Preview, service.get(f"/previews/{preview.id}").json()["preview"]),
            "job": (answers.Job, service.get(f"/jobs/{job.id}").json()["job"]),
            "steps": (answers.Steps, service.get(f"/jobs/{job.id}/steps").json()),
            "report": (answers.Report, service.get(f"/jobs/{job.id}/report").json()["report"]),
            "fallback": (answers.Fallback, service.get(f"/fallbacks/{job.id}").json()["fallback"]),
        }
    assert told["report"][1]["state"] == "succeeded"
    for name, (model, value) in told.items():
        documented = model.model_validate(value).model_dump(mode="json")
        assert fields(value) == fields(documented), name
