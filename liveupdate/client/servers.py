"""The server that a person means by a name, also while an update has a twin of the same name beside it."""

import re
import uuid
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


def find_server_id(connection: Any, name_or_id: str) -> str:
    """As find_server; but of a server that is gone, whose history is asked for, the id will do."""
    try:
        return str(find_server(connection, name_or_id).id)
    except exceptions.NotFoundException:
        try:
            return str(uuid.UUID(name_or_id))
        except ValueError:
            pass
        raise
