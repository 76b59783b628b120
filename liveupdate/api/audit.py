"""Who did what, and whether it was let: a CADF event for every request that would change something.

The form and the event type are those of keystonemiddleware's audit filter, so that what reads that reads this. Each
event is a line in the log "liveupdate.audit", whatever else is told.
"""

import json
import logging
import re
import socket
from collections.abc import Callable
from typing import Any

from pycadf import cadftaxonomy, cadftype, eventfactory, reason, resource
from pycadf.host import Host
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liveupdate.api.microversions import SERVICE_TYPE
from liveupdate.api.services import Caller
from liveupdate.messaging.notifications import Notification

LOG = logging.getLogger("liveupdate.audit")

EVENT_TYPE = "audit.http.response"
_TYPE_URI = f"service/{SERVICE_TYPE}"
_ACTIONS = {
    "PATCH": cadftaxonomy.ACTION_UPDATE,
    "PUT": cadftaxonomy.ACTION_UPDATE,
    "DELETE": cadftaxonomy.ACTION_DELETE,
}
_WRITES = frozenset({"POST", *_ACTIONS})
#: Asked for with a POST, and change nothing.
_QUESTIONS = frozenset({"placements"})
#: Bytes of a body that are looked at: enough to hold the name of an action.
_LOOK = 4096
_WORD = re.compile(r"^[a-z][a-z_-]{0,31}$")


class Audit:
    """An ASGI filter inside the shell, which has found the caller. ``tell`` must not wait, nor raise."""

    def __init__(self, app: ASGIApp, tell: Callable[[Notification], None]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        caller = scope.get("state", {}).get("caller")
        if caller is None or scope["method"] not in _WRITES:
            await self._app(scope, receive, send)
            return
        asked, status, location = bytearray(), 500, ""

        async def inward() -> Message:
            message = await receive()
            asked.extend(message.get("body", b"")[: _LOOK - len(asked)])
            return message

        async def outward(message: Message) -> None:
            nonlocal status, location
            if message["type"] == "http.response.start":
                status, location = message["status"], Headers(raw=message["headers"]).get("location", "")
            await send(message)

        try:
            await self._app(scope, inward, outward)
        finally:
            event = describe(scope, caller, bytes(asked), status, location)
            LOG.info("%s", json.dumps(event))
            self._tell(Notification(event["id"], EVENT_TYPE, "INFO", event["eventTime"], event))


def describe(scope: Scope, caller: Caller, asked: bytes, status: int, location: str) -> dict[str, Any]:
    """The CADF event. ``asked``: the body's beginning; ``location``: of what was made, if anything was."""
    headers, state, context = Headers(scope=scope), scope["state"], caller.context
    words = [word for word in scope["path"].split("/") if word][1:]
    agent = headers.get("user-agent", "")[:200]
    initiator = resource.Resource(
        id=context.user_id,
        typeURI=cadftaxonomy.ACCOUNT_USER,
        host=Host(address=(scope.get("client") or ("",))[0], agent=agent),
    )
    initiator.project_id = context.project_id
    initiator.request_id = state["request_id"]
    if state.get("global_request_id"):
        initiator.global_request_id = state["global_request_id"]
    kind, identifier = _target(words, location)
    event = eventfactory.EventFactory().new_event(
        eventType=cadftype.EVENTTYPE_ACTIVITY,
        action=_action(scope["method"], words, asked),
        outcome=cadftaxonomy.OUTCOME_SUCCESS if status < 400 else cadftaxonomy.OUTCOME_FAILURE,
        reason=reason.Reason(reasonType="HTTP", reasonCode=str(status)),
        initiator=initiator,
        target=resource.Resource(id=identifier, typeURI=f"{_TYPE_URI}/{kind}"),
        observer=resource.Resource(id=socket.gethostname(), typeURI=_TYPE_URI, name="liveupdate"),
    )
    event.requestPath = scope["path"]
    told: dict[str, Any] = event.as_dict()
    return json.loads(json.dumps(told, default=lambda value: value.as_dict()))  # type: ignore[no-any-return]


def _target(words: list[str], location: str) -> tuple[str, str]:
    """Which kind of resource, and which one: of a request that made one, the new one."""
    made = [word for word in location.split("/") if word][1:]
    if len(words) == 1 and len(made) == 2:
        words = made
    return (words[0] if words else "unknown"), (words[1] if len(words) > 1 else cadftaxonomy.UNKNOWN)


def _action(method: str, words: list[str], asked: bytes) -> str:
    if method != "POST":
        return str(_ACTIONS[method])
    if words and words[0] in _QUESTIONS:
        return str(cadftaxonomy.ACTION_EVALUATE)
    if len(words) < 2:
        return str(cadftaxonomy.ACTION_CREATE)
    named = _named(asked) if words[-1] == "actions" else ""
    return f"{cadftaxonomy.ACTION_UPDATE}/{named}" if named else str(cadftaxonomy.ACTION_UPDATE)


def _named(asked: bytes) -> str:
    """The action that the body names; "" for what is none of ours."""
    try:
        action = json.loads(asked)["action"]
    except (ValueError, TypeError, KeyError):
        return ""
    return action if isinstance(action, str) and _WORD.match(action) else ""
