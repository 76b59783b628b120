"""The database's clock, the only one that leases and waits are measured by.

Times are stored as whole microseconds since 1970, UTC: the same arithmetic on SQLite, MariaDB and PostgreSQL.
"""

from datetime import UTC, datetime
from typing import Any, overload

from sqlalchemy import BigInteger, Connection, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

SECOND = 1_000_000


class now(FunctionElement[int]):
    """Microseconds since 1970 by the database's clock."""

    type = BigInteger()
    inherit_cache = True


@compiles(now, "sqlite")
def _sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)"


@compiles(now, "postgresql")
def _postgresql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"


@compiles(now, "mysql")
@compiles(now, "mariadb")
def _mariadb(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"


def read(connection: Connection) -> datetime:
    at = as_datetime(connection.execute(select(now())).scalar_one())
    assert at is not None  # noqa: S101 - no database is without a clock
    return at


def microseconds(seconds: float) -> int:
    return round(seconds * SECOND)


@overload
def as_datetime(value: int) -> datetime: ...


@overload
def as_datetime(value: int | None) -> datetime | None: ...


def as_datetime(value: int | None) -> datetime | None:
    return None if value is None else datetime.fromtimestamp(value / SECOND, UTC)


@overload
def from_datetime(value: datetime) -> int: ...


@overload
def from_datetime(value: datetime | None) -> int | None: ...


def from_datetime(value: datetime | None) -> int | None:
    return None if value is None else round(value.timestamp() * SECOND)
