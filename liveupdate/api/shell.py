"""The ASGI shell around every request: its ids, its version, its caller; and their headers on every answer."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from anyio import to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liveupdate import logs
from liveupdate.api import microversions
from liveupdate.api.document import PUBLIC
from liveupdate.api.limits import RateLimit, whole_body
from liveupdate.api.problems import answer, unforeseen_answer
from liveupdate.api.services import Caller
from liveupdate.context import new_request_id, valid_request_id
from liveupdate.errors import LiveUpdateError
from liveupdate.settings import Limits

LOG = logging.getLogger(__name__)

_REQUEST_ID = "X-Openstack-Request-Id"


class Shell:
    def __init__(self, app: ASGIApp, authenticate: Callable[[Mapping[str, str]], Caller], limits: Limits) -> None:
        self._app = app
        self._authenticate = authenticate
        self._max_body = limits.max_body
        self._rate = RateLimit(limits.rate_limit)

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
        version, started, ended = microversions.MINIMUM, False, False

        async def outward(message: Message) -> None:
            nonlocal started, ended
            started, ended = True, message["type"] == "http.response.body" and not message.get("more_body", False)
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                out[_REQUEST_ID] = state["request_id"]
                out[microversions.HEADER] = f"{microversions.SERVICE_TYPE} {version}"
                out.add_vary_header(microversions.HEADER)
            await send(message)

        try:
            version = microversions.negotiate(headers)
            if scope["path"] not in PUBLIC:
                caller = _with_ids(await to_thread.run_sync(self._authenticate, headers), state)
                state["caller"] = caller
                self._rate.take(caller.context.project_id)
            await self._app(scope, await whole_body(headers, receive, self._max_body), outward)
        except LiveUpdateError as error:
            await answer(error, state["request_id"])(scope, receive, outward)
        except Exception:
            LOG.exception("unforeseen")
            if not started:
                await unforeseen_answer(state["request_id"])(scope, receive, outward)
            elif not ended:
                raise


def _with_ids(caller: Caller, state: Mapping[str, Any]) -> Caller:
    ids = {name: state[name] for name in ("request_id", "global_request_id")}
    return replace(caller, context=replace(caller.context, **ids))
