"""Databases of SQLite's that are new to each test."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine


class Databases:
    """Those of this process: emptied, and used again. To make one, and the SQL for it, takes longer than most tests."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._empty = folder / "empty.sqlite"
        engine = open_engine(f"sqlite:///{self._empty}")
        upgrade(engine)
        engine.dispose()
        self._engines: list[Engine] = []

    @contextmanager
    def lent(self) -> Iterator[Callable[[], Engine]]:
        """Lends one after another, until the end."""
        lent: list[Engine] = []

        def lend() -> Engine:
            file = self._folder / f"{len(lent)}.sqlite"
            if len(lent) == len(self._engines):
                self._engines.append(open_engine(f"sqlite:///{file}"))
            with closing(sqlite3.connect(self._empty)) as empty, closing(sqlite3.connect(file)) as used:
                empty.backup(used)
            # what a test listens to is its own engine's
            lent.append(self._engines[len(lent)].execution_options())
            return lent[-1]

        try:
            yield lend
        finally:
            for engine in lent:
                engine.dispose()
