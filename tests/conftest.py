"""Fixtures that several directories of tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/liveupdate.sqlite")
    upgrade(engine)
    yield engine
    engine.dispose()
