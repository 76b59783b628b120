import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from liveupdate.db.session import open_engine


@pytest.fixture
def database(tmp_path: Path, empty_database: Path) -> Iterator[Callable[[], Engine]]:
    """Makes databases, each a copy of the empty one."""
    opened: list[Engine] = []

    def make() -> Engine:
        path = shutil.copy(empty_database, tmp_path / f"{len(opened)}.sqlite")
        opened.append(open_engine(f"sqlite:///{path}"))
        return opened[-1]

    yield make
    for engine in opened:
        engine.dispose()
