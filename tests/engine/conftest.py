from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from tests.databases import Databases


@pytest.fixture
def database(databases: Databases) -> Iterator[Callable[[], Engine]]:
    """Makes databases, each an empty one."""
    with databases.lent() as lend:
        yield lend
