"""Every error answers in one shape: {"errors": [{status, code, title, detail, remedy, request_id, links}]}."""

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from liveupdate.api.microversions import MAXIMUM, MINIMUM, NotAcceptable
from liveupdate.errors import LiveUpdateError, Refused

LOG = logging.getLogger(__name__)


class Unauthorized(Refused):
    status = 401
    default_code = "live-update.auth.unauthorized"


class TooMany(Refused):
    """``retry_after`` seconds it may be tried again."""

    status = 429
    default_code = "live-update.request.too-many"

    def __init__(self, detail: str, *, retry_after: int, code: str | None = None, remedy: str = "") -> None:
        super().__init__(detail, code=code, remedy=remedy)
        self.retry_after = retry_after


def body(status: int, code: str, detail: str, remedy: str, request_id: str, **more: Any) -> dict[str, Any]:
    error = {"status": status, "code": code, "title": HTTPStatus(status).phrase, "detail": detail, "remedy": remedy}
    return {"errors": [{**error, "request_id": request_id, "links": [], **more}]}


def answer(error: LiveUpdateError, request_id: str) -> JSONResponse:
    status = error.status if isinstance(error, Refused) else 503
    more = {"min_version": MINIMUM, "max_version": MAXIMUM} if isinstance(error, NotAcceptable) else {}
    headers = {"WWW-Authenticate": "Keystone"} if status == HTTPStatus.UNAUTHORIZED else {}
    if isinstance(error, TooMany):
        headers["Retry-After"] = str(error.retry_after)
    return JSONResponse(
        body(status, error.code, error.detail, error.remedy, request_id, **more), status, headers=headers
    )


def unforeseen_answer(request_id: str) -> JSONResponse:
    return JSONResponse(body(500, "live-update.internal", "something went wrong here", "", request_id), 500)


def _number(error: Exception) -> str:
    """The database's own number for it; never its words, which may hold what was to be written."""
    original = getattr(error, "orig", None)
    first = next(iter(getattr(original, "args", ())), None)
    number = first if isinstance(first, int) else getattr(original, "sqlstate", None)
    return f" {number}" if number else ""


def install(app: FastAPI) -> None:
    """Give the framework's own errors the same shape, and hide what is nobody's business."""

    def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, LiveUpdateError)  # noqa: S101 - registered for this class only
        return answer(error, request.state.request_id)

    def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class only
        code = f"live-update.http.{HTTPStatus(error.status_code).name.lower().replace('_', '-')}"
        content = body(error.status_code, code, str(error.detail), "", request.state.request_id)
        return JSONResponse(content, error.status_code, headers=error.headers)

    def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class only
        # where and why, never the value: it might be a secret put in the wrong place
        found = "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()[:10])
        code, remedy = "live-update.request.invalid", "see the API reference for this resource"
        return JSONResponse(body(400, code, found, remedy, request.state.request_id), 400)

    def database(request: Request, error: Exception) -> JSONResponse:
        LOG.error("%s: the database: %s%s", request.state.request_id, type(error).__name__, _number(error))
        code, remedy = "live-update.store.unavailable", "try again; if it stays, ask the operator"
        return JSONResponse(body(503, code, "the database does not answer", remedy, request.state.request_id), 503)

    def unforeseen(request: Request, error: Exception) -> JSONResponse:
        return unforeseen_answer(request.state.request_id)

    app.add_exception_handler(Exception, unforeseen)
    app.add_exception_handler(LiveUpdateError, ours)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(SQLAlchemyError, database)
