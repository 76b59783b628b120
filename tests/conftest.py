"""Fixtures that several directories of tests share."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine


def pytest_configure() -> None:
    """All processes of a run try the same faults: those that are started from here inherit the seed."""
    os.environ.setdefault("LIVEUPDATE_FAULTS_SEED", str(random.SystemRandom().randrange(1 << 32)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"faults: LIVEUPDATE_FAULTS_SEED={os.environ['LIVEUPDATE_FAULTS_SEED']}")


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(f"sqlite:///{tmp_path}/liveupdate.sqlite")
    upgrade(engine)
    yield engine
    engine.dispose()
