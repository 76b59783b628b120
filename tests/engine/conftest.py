import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from liveupdate.db.session import open_engine


@pytest.fixture
def database(tmp_path: Path, sqlite: Engine) -> Iterator[Callable[[], Engine]]:
    """Makes databases, each a copy of the empty one."""
    sqlite.dispose()
    opened: list[Engine] = []

    def make() -> Engine:
        path = tmp_path / f"{len(opened)}.sqlite"
        shutil.copy(tmp_path / "liveupdate.sqlite", path)
        opened.append(open_engine(f"sqlite:///{path}"))
        return opened[-1]

    yield make
    for engine in opened:
        engine.dispose()
