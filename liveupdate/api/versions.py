"""The version documents and the health check: public, and enough for keystoneauth's discovery."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from liveupdate.api.document import one, told
from liveupdate.api.microversions import MAXIMUM, MINIMUM
from liveupdate.api.schemas.answers import Version, Versions

router = APIRouter(tags=["versions"])


def _document(request: Request) -> dict[str, Any]:
    return {
        "id": "v1",
        "status": "CURRENT",
        "min_version": MINIMUM,
        "max_version": MAXIMUM,
        "version": MAXIMUM,
        "links": [{"rel": "self", "href": f"{str(request.base_url).rstrip('/')}/v1/"}],
    }


@router.get("/", **told(300, Versions))
def versions(request: Request) -> JSONResponse:
    return JSONResponse({"versions": [_document(request)]}, 300)


@router.get("/v1/", **one(200, "version", Version))
@router.get("/v1", include_in_schema=False)
def version(request: Request) -> dict[str, Any]:
    return {"version": _document(request)}


@router.get("/healthcheck")
def healthcheck() -> dict[str, str]:
    """That this process answers; nothing about what it depends on."""
    return {"status": "ok"}
