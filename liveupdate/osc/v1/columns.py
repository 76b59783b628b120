"""What has a structure, as lines for people; in the machines' formats it is what the API tells."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from textwrap import fill
from typing import Any

from cliff.columns import FormattableColumn

_WIDTH = 100
_EMPTY: tuple[Any, ...] = (None, "", [], {})


class Lines(FormattableColumn[Any]):
    def human_readable(self) -> str:
        return "\n".join(fill(line, _WIDTH, subsequent_indent="  ") for line in self.lines()) if self._value else ""

    def machine_readable(self) -> Any:
        return self._value

    def lines(self) -> Iterable[str]:
        raise NotImplementedError


class Fields(Lines):
    """Of an object: a line for each field that is not empty."""

    def lines(self) -> Iterator[str]:
        return (f"{key}: {said(value)}" for key, value in self._value.items() if value not in _EMPTY)


class Parts(Lines):
    """Of a list: a line for each part."""

    def lines(self) -> Iterator[str]:
        return map(said, self._value)


def each(line: Callable[[Any], str]) -> type[Lines]:
    """A column with this line for each part of a list."""

    class Each(Lines):
        def lines(self) -> Iterator[str]:
            return map(line, self._value)

    return Each


def said(value: Any) -> str:
    """On one line, without what is empty."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {said(part)}" for key, part in value.items() if part not in _EMPTY)
    return "; ".join(map(said, value)) if isinstance(value, list) else str(value)
