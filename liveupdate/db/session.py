"""Engines and transactions: one way to open a database, one way to change it."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, InvalidatePoolError, OperationalError, TimeoutError
from sqlalchemy.pool import ConnectionPoolEntry

from liveupdate.db import keepalive
from liveupdate.errors import StoreError
from liveupdate.model import Json

T = TypeVar("T")

#: The database does not answer, or has hung up: whether a transaction was committed nobody knows.
AWAY = (OperationalError, InterfaceError, TimeoutError)

#: As many connections as are needed at a time are kept, the one that was used last is used next: what a server has
#: prepared for one is of use again.
_POOL: dict[str, Any] = {"pool_size": 15, "max_overflow": 0, "pool_use_lifo": True, "pool_recycle": 1800}
#: Seconds that a connection may rest before it is asked.
_RESTED = 1.0
#: Tries of one transaction that loses against others.
_TRIES = 8
#: MariaDB's deadlock, lock wait time-out, Galera's conflict, and a savepoint that one of them has taken away (we call
#: nothing else that could be missing); PostgreSQL's serialization failure and deadlock.
_CONFLICTS = {1213, 1205, 1020, 1305, "40001", "40P01"}


def open_engine(url: str) -> Engine:
    """An engine for SQLite (file or memory), MariaDB (mysql+pymysql) or PostgreSQL (postgresql+psycopg).

    Raises StoreError for a URL of another kind, without showing it: it holds a password.
    """
    address = make_url(url)
    backend = address.get_backend_name()
    if backend == "sqlite":
        engine = create_engine(url, connect_args={"timeout": 30})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend in ("mysql", "mariadb"):
        # writers see what others have committed since: compare-and-swap needs no older snapshot
        heard = _unless_said(address, keepalive.MARIADB)
        engine = create_engine(url, isolation_level="READ COMMITTED", connect_args=heard, **_POOL)
        return _remote(keepalive.for_pymysql(engine))
    if backend == "postgresql":
        heard = _unless_said(address, keepalive.POSTGRESQL)
        return _remote(create_engine(url, connect_args=heard, **_POOL))
    raise StoreError(
        f"no support for {backend} databases",
        code="live-update.store.unsupported",
        remedy="use sqlite, mysql+pymysql or postgresql+psycopg in [database] connection",
    )


def _unless_said(url: URL, defaults: Mapping[str, int]) -> dict[str, int]:
    return {name: value for name, value in defaults.items() if name not in url.query}


def _remote(engine: Engine) -> Engine:
    """A connection that has rested is asked whether it is there still; one that has just been in use is not."""

    def rest(connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    def wake(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        now = time.monotonic()
        if now - record.info.get("rests_since", now) > _RESTED and not _there(engine, connection):
            raise InvalidatePoolError

    event.listen(engine, "checkin", rest)
    event.listen(engine, "checkout", wake)
    return engine


def _there(engine: Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error as error:
        if engine.dialect.is_disconnect(error, connection, None):
            return False
        raise


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, see below
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # take the write lock at once: two readers that both want to write could only fail
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


def write(engine: Engine, work: Callable[[Connection], T]) -> T:
    """Run ``work`` in one transaction; again, from its start, when it lost a race inside the database.

    ``work`` must therefore have no effect but on the database. Raises whatever it raises.
    """

    def once() -> T:
        with engine.connect().execution_options(writes=True) as connection, connection.begin():
            return work(connection)

    return _unless_lost(once)


def at_once(engine: Engine, statement: str, values: Json) -> Any:
    """The row that ``statement`` returns, or None: it is a transaction of its own, in one round trip.

    For PostgreSQL, and for what is written all the time: it goes to the driver as it is.
    """

    def once() -> Any:
        with engine.connect() as connection:
            line = connection.connection.driver_connection
            assert line is not None  # noqa: S101 - it has just been opened
            try:
                line.autocommit = True
                row = line.execute(statement, values).fetchone()
                line.autocommit = False
            except BaseException as error:
                # whatever it is in the middle of, nobody else gets it
                connection.invalidate()
                if isinstance(error, engine.dialect.loaded_dbapi.Error):
                    raise DBAPIError.instance(statement, None, error, type(error), dialect=engine.dialect) from error
                raise
        return row

    return _unless_lost(once)


def _unless_lost(once: Callable[[], T]) -> T:
    """Again, while it loses a race inside the database."""
    for attempt in range(1, _TRIES + 1):
        try:
            return once()
        except DBAPIError as error:
            if attempt == _TRIES or not _conflict(error):
                raise
        time.sleep(random.uniform(0, 0.02) * 2**attempt)  # noqa: S311 # nosec B311 # spreads rivals, hides nothing
    raise AssertionError("unreachable")


def _conflict(error: DBAPIError) -> bool:
    original = error.orig
    numbers = {getattr(original, "sqlstate", None), *getattr(original, "args", ())[:1]}
    return bool(numbers & _CONFLICTS) or "database is locked" in str(original)


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """One transaction that writes nothing."""
    with engine.connect() as connection, connection.begin():
        yield connection
