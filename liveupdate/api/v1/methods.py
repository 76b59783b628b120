"""/v1/methods: the ways to update, and their steps."""

from typing import Any

from fastapi import APIRouter

from liveupdate.api.document import many
from liveupdate.api.schemas import answers
from liveupdate.api.v1.asking import Asked, By
from liveupdate.methods import Method

router = APIRouter(prefix="/v1/methods", tags=["methods"])


@router.get("", **many("methods", answers.Method))
def index(asked: Asked, by: By) -> dict[str, Any]:
    asked.authorize("method:list", by.context, by.context.project_id)
    found = sorted(asked.methods.values(), key=lambda method: method.name)
    return {"methods": [_view(method) for method in found]}


def _view(method: Method) -> dict[str, Any]:
    steps = [{"name": step.name, "title": step.title, "skippable": step.skippable} for step in method.steps]
    return {"name": method.name, "title": method.title, "steps": steps, "pivot": method.pivot and method.pivot.name}
