"""A database for the matrix: SQLite in memory, or a private server of Debian's packages."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from liveupdate.db import tables
from liveupdate.db.session import open_engine
from tests.db import servers

_SERVERS = {"mariadb": servers.mariadb, "postgresql": servers.postgresql}
NAMES = ("sqlite", *_SERVERS)


@contextmanager
def opened(name: str) -> Iterator[Engine]:
    if name == "sqlite":
        yield _made("sqlite://")
        return
    with tempfile.TemporaryDirectory(prefix="liveupdate-faults-") as folder, _SERVERS[name](Path(folder)) as url:
        engine = _made(url)
        yield engine
        engine.dispose()


def _made(url: str) -> Engine:
    engine = open_engine(url)
    tables.metadata.create_all(engine)
    return engine
