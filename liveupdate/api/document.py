"""The OpenAPI document: every status that a route may answer with, and what it then says."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, create_model

from liveupdate.api.schemas.answers import Link, Problems

#: Version documents, the health check and a process's figures tell nothing that is not public.
PUBLIC = frozenset({"/", "/v1", "/v1/", "/healthcheck", "/metrics"})

_REFUSED: Mapping[int, str] = {
    400: "The request is malformed, or asks for what there is not",
    401: "No valid token",
    403: "The policy, a quota or the kind of the token does not allow it",
    404: "Not there, or another project's",
    406: "No such version of the API",
    409: "Not in this state; the detail names it",
    413: "The request's body is too large",
    429: "Too many requests or streams: wait as long as Retry-After says",
    500: "A defect of the service",
    503: "The database, Keystone or the cloud does not answer",
}
#: What any route may answer.
COMMON: dict[int | str, dict[str, Any]] = {
    status: {"model": Problems, "description": _REFUSED[status]} for status in (400, 401, 403, 406, 413, 429, 500, 503)
}
_RETRY = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}}


def told(status: int, model: type[BaseModel] | None, *refused: int) -> dict[str, Any]:
    """Arguments of a route that answers ``status`` with ``model``, or refuses besides COMMON with ``refused``.

    They are for the document only: nothing that the service has once stored is refused on its way out.
    """
    answers: dict[int | str, dict[str, Any]] = {r: {"model": Problems, "description": _REFUSED[r]} for r in refused}
    if model is not None:
        answers[status] = {"model": model}
    return {"status_code": status, "response_model": None, "responses": answers}


def one(status: int, name: str, model: type[BaseModel], *refused: int) -> dict[str, Any]:
    """A route that answers {name: model}."""
    return told(status, _answer(f"One{model.__name__}", name, model, False), *refused)


def many(name: str, model: type[BaseModel], *refused: int, paged: bool = False) -> dict[str, Any]:
    """A route that answers {name: [model]}; with links if it is ``paged``."""
    return told(200, _answer(f"Many{model.__name__}s", name, list[model], paged), *refused)  # type: ignore[valid-type]


@cache
def _answer(title: str, name: str, kind: Any, paged: bool) -> type[BaseModel]:
    parts: dict[str, Any] = {name: (kind, ...)} | ({"links": (list[Link], ...)} if paged else {})
    return create_model(title, **parts)


def install(app: FastAPI) -> None:
    """Take out what never happens (422: problems.py answers 400), and tell how to authenticate."""
    made = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            _correct(made())
        return made()

    app.openapi = document  # type: ignore[method-assign]


def _correct(document: dict[str, Any]) -> None:
    parts = document["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        parts["schemas"].pop(name, None)
    parts["securitySchemes"] = {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["429"]["headers"] = _RETRY
            operation["security"] = [{"token": []}] if path not in PUBLIC else []
