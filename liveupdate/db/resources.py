"""The ledger: every cloud object that a job makes. Lines are added and closed, never overwritten or removed."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from liveupdate.db import clock
from liveupdate.db.reading import portions
from liveupdate.db.tables import resources
from liveupdate.model import Json, Resource
from liveupdate.states import OPEN_LINE, ResourceState

_DAY = 86400


def add(connection: Connection, job_id: str, kind: str, role: str, name: str, details: Json) -> Resource:
    """An intent, written before the cloud is called."""
    made = connection.execute(
        insert(resources).values(
            job_id=job_id,
            kind=kind,
            role=role,
            name=name,
            cloud_id="",
            state=ResourceState.INTENDED,
            details=dict(details),
            created_at=clock.now(),
        )
    )
    assert made.inserted_primary_key is not None  # noqa: S101 - every dialect we support returns it
    return get(connection, made.inserted_primary_key[0])


def get(connection: Connection, resource_id: int) -> Resource:
    return value(connection.execute(select(resources).where(resources.c.id == resource_id)).mappings().one())


def find_open(connection: Connection, job_id: str, kind: str, role: str) -> Resource | None:
    query = (
        select(resources)
        .where(resources.c.job_id == job_id, resources.c.kind == kind, resources.c.role == role)
        .where(resources.c.state.in_(OPEN_LINE))
        .order_by(resources.c.id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    return None if row is None else value(row)


def of_job(connection: Connection, job_id: str) -> Sequence[Resource]:
    found = connection.execute(select(resources).where(resources.c.job_id == job_id).order_by(resources.c.id))
    return [value(row) for row in found.mappings()]


def standing_for(connection: Connection, job_ids: Collection[str], cloud_ids: Collection[str]) -> Sequence[Resource]:
    """All lines of these jobs, and of every job all lines of these ids."""
    found = []
    for column, wanted in ((resources.c.job_id, job_ids), (resources.c.cloud_id, cloud_ids)):
        for some in portions(wanted):
            found += [value(row) for row in connection.execute(select(resources).where(column.in_(some))).mappings()]
    return found


def any_open(connection: Connection, job_id: str) -> bool:
    query = select(resources.c.id).where(resources.c.job_id == job_id, resources.c.state.in_(OPEN_LINE))
    return connection.execute(query.limit(1)).first() is not None


def created(connection: Connection, resource: Resource, cloud_id: str, details: Json | None) -> Resource:
    values: dict[str, Any] = {"state": ResourceState.CREATED, "cloud_id": cloud_id}
    if details:
        values["details"] = {**resource.details, **details}
    connection.execute(update(resources).where(resources.c.id == resource.id).values(**values))
    return get(connection, resource.id)


def ready(connection: Connection, resource: Resource) -> None:
    """Add to its details how long its making took, counted from the intent; once."""
    line = get(connection, resource.id)
    if "seconds" in line.details:
        return
    columns = (resources.c.created_at, clock.now().label("now"))
    row = connection.execute(select(*columns).where(resources.c.id == resource.id)).one()
    took = {"seconds": round((row.now - row.created_at) / clock.SECOND, 3)}
    connection.execute(update(resources).where(resources.c.id == resource.id).values(details={**line.details, **took}))


def close(connection: Connection, resource: Resource, state: ResourceState, days: float | None = None) -> None:
    """DELETED (seen to be gone) or KEPT (stays on purpose; as a fallback, ``days`` long)."""
    connection.execute(
        update(resources)
        .where(resources.c.id == resource.id, resources.c.state.in_(OPEN_LINE))
        .values(
            state=state,
            deleted_at=clock.now() if state == ResourceState.DELETED else None,
            keep_until=None if days is None else clock.now() + clock.microseconds(days * _DAY),
        )
    )


def end_keeping(connection: Connection, resource_id: int, *, gone: bool) -> None:
    """A kept line of any job is no fallback any more: it is gone, or stays with its owner."""
    deleted = {"state": ResourceState.DELETED, "deleted_at": clock.now()} if gone else {}
    connection.execute(
        update(resources)
        .where(resources.c.id == resource_id, resources.c.state == ResourceState.KEPT)
        .values(keep_until=None, **deleted)
    )


def value(row: Any) -> Resource:
    made = clock.as_datetime(row["created_at"])
    assert made is not None  # noqa: S101 - the column is NOT NULL
    return Resource(
        id=row["id"],
        job_id=row["job_id"],
        kind=row["kind"],
        role=row["role"],
        name=row["name"],
        cloud_id=row["cloud_id"],
        state=ResourceState(row["state"]),
        details=row["details"],
        created_at=made,
        deleted_at=clock.as_datetime(row["deleted_at"]),
        keep_until=clock.as_datetime(row["keep_until"]),
    )
