"""Fixtures that several directories of tests share."""

import gc
import os
import random
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.databases import Databases

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """All processes of a run try the same faults: those that are started from here inherit the seed."""
    os.environ.setdefault("LIVEUPDATE_FAULTS_SEED", str(random.SystemRandom().randrange(1 << 32)))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported and collected stays: to look through it for garbage again and again takes a third of it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: a quarter of their time the tests wait, for others or for time to pass."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"faults: LIVEUPDATE_FAULTS_SEED={os.environ['LIVEUPDATE_FAULTS_SEED']}")


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Databases:
    return Databases(tmp_path_factory.mktemp("databases"))


@pytest.fixture
def sqlite(databases: Databases) -> Iterator[Engine]:
    with databases.lent() as lend:
        yield lend()


@pytest.fixture(scope="session")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a user of the cloud: a fresh venv with nothing but the client's extra, from the package index."""
    venv = tmp_path_factory.mktemp("stock") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    done = subprocess.run([*install, f"{ROOT}[cli]"], cwd=venv, capture_output=True, text=True)
    assert done.returncode == 0, f"the package index must be reachable: {done.stderr[-2000:]}"
    return venv / "bin"
