"""A small soak in every run of the tests; ``make soak`` runs the whole."""

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import databases
from tests.soak.broker import Broker, broker
from tests.soak.soak import Load, soak

pytestmark = pytest.mark.databases


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with broker(tmp_path_factory.mktemp("bus") / "broker") as there:
        yield there


# kombu leaves the socket of a connection that broke to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("name", "restarts"), [("mariadb", 0), ("postgresql", 1)])
def test_nothing_is_lost_or_done_twice_though_workers_are_killed_and_the_broker_restarts(
    name: str, restarts: int, bus: Broker, tmp_path: Path
) -> None:
    chance = random.Random(7)  # noqa: S311 - who is killed is no secret
    with databases.opened(name) as engine:
        told = soak(engine, bus, tmp_path, Load(jobs=40, workers=2, kills=2, restarts=restarts), chance)
    gc.collect()
    assert not told.violations
