"""How tables are read that may be large."""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Select, Table

#: Values that one query names.
_AT_ONCE = 500


def portions(values: Collection[str]) -> Iterator[list[str]]:
    """As many at a time as one query may name; each once."""
    some = sorted(set(values))
    return (some[at : at + _AT_ONCE] for at in range(0, len(some), _AT_ONCE))


def along(query: Select[Any], table: Table, index: str) -> Select[Any]:
    """Read a page along this index, from where the page begins. MariaDB would begin at the index's own begin."""
    hint = f"FORCE INDEX ({index})"
    return query.with_hint(table, hint, "mysql").with_hint(table, hint, "mariadb")
