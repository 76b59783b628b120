"""/v1/host-groups: the hosts that belong together, and how surrogates are placed among them."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from liveupdate.api.document import many, one, told
from liveupdate.api.host_groups import HostGroups, view
from liveupdate.api.schemas import answers
from liveupdate.api.schemas.host_groups import AddHost, CreateHostGroup, UpdateHostGroup
from liveupdate.api.v1.asking import Asked, By, infrastructure
from liveupdate.api.whole_lists import HostGroupQuery, links

router = APIRouter(prefix="/v1/host-groups", tags=["host-groups"])


def _groups(asked: Asked, by: By, action: str) -> HostGroups:
    asked.authorize(f"host_group:{action}", by.context, by.context.project_id)
    return HostGroups(infrastructure(asked, by))


@router.get("", **many("host_groups", answers.HostGroup, paged=True))
def index(query: Annotated[HostGroupQuery, Query()], request: Request, asked: Asked, by: By) -> dict[str, Any]:
    """The default group first."""
    found = query.page([view(group) for group in _groups(asked, by, "list").list()], "name")
    return {"host_groups": found, "links": links(request, found, query.limit, "name")}


@router.post("", **one(201, "host_group", answers.HostGroup, 409))
def create(body: CreateHostGroup, response: Response, asked: Asked, by: By) -> dict[str, Any]:
    group = _groups(asked, by, "create").create(body.host_group.name, body.host_group.rules())
    response.headers["Location"] = f"/v1/host-groups/{group.name}"
    return {"host_group": view(group)}


@router.get("/{name}", **one(200, "host_group", answers.HostGroup, 404))
def show(name: str, asked: Asked, by: By) -> dict[str, Any]:
    return {"host_group": view(_groups(asked, by, "get").get(name))}


@router.patch("/{name}", **one(200, "host_group", answers.HostGroup, 404, 409))
def update(name: str, body: UpdateHostGroup, asked: Asked, by: By) -> dict[str, Any]:
    """What is not named stays."""
    changes = body.host_group.model_dump(exclude_none=True)
    return {"host_group": view(_groups(asked, by, "update").update(name, changes))}


@router.delete("/{name}", **told(204, None, 404, 409))
def delete(name: str, asked: Asked, by: By) -> None:
    _groups(asked, by, "delete").delete(name)


@router.post("/{name}/hosts", **one(200, "host_group", answers.HostGroup, 404, 409))
def add_host(name: str, body: AddHost, asked: Asked, by: By) -> dict[str, Any]:
    return {"host_group": view(_groups(asked, by, "add_host").add_host(name, body.host))}


@router.delete("/{name}/hosts/{host}", **one(200, "host_group", answers.HostGroup, 404, 409))
def remove_host(name: str, host: str, asked: Asked, by: By) -> dict[str, Any]:
    return {"host_group": view(_groups(asked, by, "remove_host").remove_host(name, host))}
