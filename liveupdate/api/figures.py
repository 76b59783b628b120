"""The API's figures: how many answers, how fast, by route."""

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liveupdate.figures import REQUEST_SECONDS

_VERBS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Figures:
    """An ASGI filter around everything. An answer counts when it begins: a stream may go on for hours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()

        async def outward(message: Message) -> None:
            if message["type"] == "http.response.start":
                verb = scope["method"] if scope["method"] in _VERBS else "other"
                # the router has left it there; the path itself would be an id in a label
                route = getattr(scope.get("route"), "path", "unknown")
                REQUEST_SECONDS.labels(verb, route, str(message["status"])).observe(time.monotonic() - begun)
            await send(message)

        await self._app(scope, receive, outward)
