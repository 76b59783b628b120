"""A database whose host falls silent without hanging up: whoever waits for it is told, as of one that is away."""

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaits
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from liveupdate.db.session import AWAY, open_engine, read
from tests.db import servers
from tests.waiting import PATIENCE

pytestmark = pytest.mark.databases

#: Statements that take longer than anybody waits here.
_LONG = {"mariadb": "SELECT SLEEP(200)", "postgresql": "SELECT pg_sleep(200)"}


@contextmanager
def silent(port: int) -> Iterator[None]:
    """Nothing arrives any more at the server, or from it; both sides believe that the other is there."""
    table = f"liveupdate-{port}"
    ports = f"tcp dport {port} drop\ntcp sport {port} drop\n"
    rules = f"table inet {table} {{\nchain input {{\ntype filter hook input priority 0\n{ports}}}\n}}"
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", table], check=True)


def ask(connection: Connection, statement: str) -> object:
    try:
        return connection.execute(text(statement)).scalar_one()
    except AWAY as error:
        return type(error)


def works(engine: Engine) -> bool:
    with read(engine) as connection:
        return bool(connection.execute(text("SELECT 1")).scalar_one())


@pytest.mark.parametrize("name", _LONG)
def test_who_asks_a_host_that_is_gone_and_who_waits_for_its_answer_are_told(name: str, tmp_path: Path) -> None:
    start = {"mariadb": servers.mariadb_server, "postgresql": servers.postgresql_server}[name]
    # the server ends first, and with it whoever waits for it still
    with ThreadPoolExecutor() as pool, start(tmp_path) as server:
        engine = open_engine(server.url)
        with engine.connect() as asks, engine.connect() as waits:
            assert ask(asks, "SELECT 1") == 1
            answer = pool.submit(ask, waits, _LONG[name])
            with pytest.raises(StillWaits):
                answer.result(1)
            with silent(int(make_url(server.url).port or 0)):
                for told in (pool.submit(ask, asks, "SELECT 1"), answer):
                    assert told.result(PATIENCE) in AWAY
        assert works(engine)
        engine.dispose()
        # it would wait for the long statement, whose client it has not missed yet
        server.kill()


def test_what_the_operator_has_set_in_the_url_stays(tmp_path: Path) -> None:
    with servers.postgresql(tmp_path) as url:
        engine = open_engine(f"{url}?keepalives_idle=77")
        with engine.connect() as connection:
            line = connection.connection.driver_connection
            assert line is not None
            told = line.info.get_parameters()
        engine.dispose()
    assert (told["keepalives_idle"], told["connect_timeout"]) == ("77", "10")
