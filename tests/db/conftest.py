"""``database``: each of the three databases, its schema made by the migrations, its tables empty."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, delete

from liveupdate.db import tables
from liveupdate.db.schema import upgrade
from liveupdate.db.session import open_engine, write
from tests.db import servers


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "sqlite":
        yield f"sqlite:///{folder}/liveupdate.sqlite"
    else:
        with {"mariadb": servers.mariadb, "postgresql": servers.postgresql}[request.param](folder) as address:
            yield address


@pytest.fixture(scope="session")
def migrated(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    upgrade(engine)
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def database(migrated: Engine) -> Engine:
    write(migrated, lambda connection: connection.execute(delete(tables.jobs)))
    return migrated


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "url" in metafunc.fixturenames:
        # a module may be about some of them only
        names = getattr(metafunc.module, "DATABASES", ("sqlite", "mariadb", "postgresql"))
        marks = {"sqlite": (), "mariadb": pytest.mark.databases, "postgresql": pytest.mark.databases}
        served = [pytest.param(name, marks=marks[name]) for name in names]  # type: ignore[arg-type]
        metafunc.parametrize("url", served, indirect=True, scope="session")
