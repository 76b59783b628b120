"""The server that a person means by a name, also while an update has a twin of the same name beside it."""

import re
from typing import Any

from openstack import exceptions

#: How a surrogate is tagged until it takes the original's place.
_SURROGATE = re.compile(r"liveupdate:[0-9a-f-]{36}:surrogate")


def find_server(connection: Any, name_or_id: str) -> Any:
    """``connection``: openstacksdk's. Raises its NotFoundException, or DuplicateResource if several are no twins."""
    try:
        return connection.compute.find_server(name_or_id, ignore_missing=False)
    except exceptions.DuplicateResource:
        named = connection.compute.servers(details=True, name=f"^{re.escape(name_or_id)}$")
        meant = [server for server in named if not any(map(_SURROGATE.fullmatch, server.tags or ()))]
        if len(meant) != 1:
            raise
        return meant[0]
