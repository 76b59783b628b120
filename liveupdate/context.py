"""Who asks, for which project, under which request ids."""

import re
import uuid
from dataclasses import dataclass, field

_REQUEST_ID = re.compile(r"^req-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


@dataclass(frozen=True)
class RequestContext:
    """A validated caller. ``token`` never leaves the request: not stored, not logged, not shown."""

    user_id: str
    project_id: str
    roles: tuple[str, ...]
    #: The API's own, and the one that the caller's request went by, if it said so; the shell fills them in.
    request_id: str = ""
    global_request_id: str = ""
    token: str = field(default="", repr=False)


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def valid_request_id(value: str) -> bool:
    """True for ``req-<uuid>``, the only form that OpenStack services hand on."""
    return bool(_REQUEST_ID.match(value))
