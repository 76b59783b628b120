"""FastAPI makes a span of every request, if somebody has set up OpenTelemetry; this says which request it is."""

from opentelemetry import trace
from starlette.types import ASGIApp, Receive, Scope, Send


class Named:
    """An ASGI filter inside FastAPI's own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if request_id := scope.get("state", {}).get("request_id"):
            trace.get_current_span().set_attribute("openstack.request_id", request_id)
        await self._app(scope, receive, send)
