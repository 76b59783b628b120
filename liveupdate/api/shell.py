"""The ASGI shell around every request: its ids, its version, its caller; and their headers on every answer."""

import logging
from collections.abc import Callable, Mapping

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liveupdate import logs
from liveupdate.api import microversions
from liveupdate.api.problems import answer, body
from liveupdate.api.services import Caller
from liveupdate.context import new_request_id, valid_request_id
from liveupdate.errors import LiveUpdateError

LOG = logging.getLogger(__name__)

_REQUEST_ID = "X-Openstack-Request-Id"
#: Version documents, the health check and this process's figures tell nothing of anybody's.
_PUBLIC = frozenset({"/", "/v1", "/v1/", "/healthcheck", "/metrics"})


class Shell:
    def __init__(self, app: ASGIApp, authenticate: Callable[[Mapping[str, str]], Caller]) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        state = scope.setdefault("state", {})
        state["request_id"] = new_request_id()
        theirs = headers.get(_REQUEST_ID, "")
        state["global_request_id"] = theirs if valid_request_id(theirs) else ""
        with logs.about(request_id=state["request_id"], global_request_id=state["global_request_id"]):
            await self._answer(scope, receive, send, headers)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        state = scope["state"]
        version, started = microversions.MINIMUM, False

        async def outward(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                out = MutableHeaders(scope=message)
                out[_REQUEST_ID] = state["request_id"]
                out[microversions.HEADER] = f"{microversions.SERVICE_TYPE} {version}"
                out.add_vary_header(microversions.HEADER)
            await send(message)

        try:
            version = microversions.negotiate(headers)
            if scope["path"] not in _PUBLIC:
                state["caller"] = await to_thread.run_sync(self._authenticate, headers)
            await self._app(scope, receive, outward)
        except LiveUpdateError as error:
            await answer(error, state["request_id"])(scope, receive, outward)
        except Exception:
            LOG.exception("unforeseen")
            if started:
                raise
            content = body(500, "live-update.internal", "something went wrong here", "", state["request_id"])
            await JSONResponse(content, 500)(scope, receive, outward)
