"""Servers that replaced one another: after an update, or a restore, a server has another id."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, select

from liveupdate.db.tables import jobs
from liveupdate.db.tables import resources as lines
from liveupdate.states import ResourceState

#: Servers that replaced one another.
MAX_UPDATES = 1000
#: The line of the server that a job has put in the place of another.
SERVER = (lines.c.kind == "server", lines.c.role == "surrogate", lines.c.state == ResourceState.KEPT)


def served_by(servers: Collection[str]) -> Select[Any]:
    """The ids of the jobs that have made these servers."""
    return select(lines.c.job_id).where(*SERVER, lines.c.cloud_id.in_(servers))


def before(connection: Connection, server_id: str) -> set[str]:
    """The server, and those that it has replaced, one after the other."""
    found = {server_id}
    newest: str | None = server_id
    while newest and len(found) < MAX_UPDATES:
        query = select(jobs.c.server_id).where(jobs.c.id.in_(served_by([newest])))
        newest = connection.scalar(query.where(jobs.c.server_id.not_in(found)).limit(1))
        found |= {newest} if newest else set()
    return found
