"""/v1/methods: the ways to update, and their steps."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from liveupdate.api.document import many
from liveupdate.api.schemas import answers
from liveupdate.api.v1.asking import Asked, By
from liveupdate.api.whole_lists import WholeQuery, links
from liveupdate.methods import Method

router = APIRouter(prefix="/v1/methods", tags=["methods"])


@router.get("", **many("methods", answers.Method, paged=True))
def index(query: Annotated[WholeQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """By their names."""
    asked.authorize("method:list", by.context, by.context.project_id)
    every = sorted(asked.methods.values(), key=lambda method: method.name)
    found = query.page([_view(method) for method in every], "name")
    return {"methods": found, "links": links(request, found, query.limit, "name")}


def _view(method: Method) -> dict[str, Any]:
    steps = [{"name": step.name, "title": step.title, "skippable": step.skippable} for step in method.steps]
    return {"name": method.name, "title": method.title, "steps": steps, "pivot": method.pivot and method.pivot.name}
