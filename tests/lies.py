"""What may come instead of the truth: any JSON, and answers that are of the right form but for one or two places."""

import copy
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import strategies as st

from liveupdate.errors import LiveUpdateError

#: Halves of characters, terminal orders and ways out are among them, as JSON can carry them.
TEXTS = st.text(st.characters()) | st.sampled_from(
    ["\x1b[2J", "\ud800", "\0", "", "..", "-x.service", "../a", "/etc/x", "a\n", "x" * 5000, "9" * 5000, "inf"]
)
NUMBERS = st.integers() | st.floats() | st.sampled_from([-1, 1 << 62, 1 << 63, 10**400, 1e308, math.inf, math.nan])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
#: What is of a value's kind gets further.
_AKIN: Mapping[type, st.SearchStrategy[Any]] = {
    bool: st.sampled_from([True, False, 0, 1, "true"]),
    int: st.integers(0, 1 << 16) | NUMBERS | st.sampled_from([True, 7.0, "7"]),
    float: st.floats(0, 1e6) | NUMBERS | st.sampled_from([True, "7.0"]),
    str: TEXTS,
}
#: No parser lets a list be longer, nor a text; nor a number be larger.
MOST, LARGEST = 4096, 1 << 62
T = TypeVar("T")
_CODE = re.compile(r"(live-update|guest)\.[a-z0-9.-]{1,110}")


def places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in below:
        yield (*here, key)
        yield from places(each, (*here, key))


@st.composite
def spoiled(draw: st.DrawFn, whole: Mapping[str, Any]) -> Any:
    """The whole, but for one or two places: something else is there, nothing, or far too much of it."""
    told: Any = copy.deepcopy(whole)
    for hows in (["akin", "akin", "else", "gone"], ["nothing", "nothing", "akin", "flood"]):
        how = draw(st.sampled_from(hows))
        if not (there := [*places(told)]):
            break
        *way, last = draw(st.sampled_from(there))
        at = told
        for key in way:
            at = at[key]
        match how:
            case "else":
                at[last] = draw(JSON)
            case "akin":
                at[last] = draw(_AKIN.get(type(at[last]), JSON))
            case "flood":
                at[last] = Flood((at[last] if isinstance(at[last], list) else [at[last]]) * (MOST + 1))
            case "gone":
                del at[last]
    return told


class Flood(list[Any]):
    """One and the same, far too often; and told in a few words when a test fails."""

    def __repr__(self) -> str:
        return f"Flood({self[:1]!r} * {len(self)})"


@st.composite
def garbled(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes, but for a piece of them."""
    start = draw(st.integers(0, len(whole)))
    end = draw(st.integers(start, min(len(whole), start + 8)))
    return whole[:start] + draw(st.binary(max_size=8) | st.sampled_from([b"9" * 5000, b"\n", b"-"])) + whole[end:]


def fit_to_keep(value: Any) -> None:
    """For every database and terminal: plain texts, finite numbers, nothing of it beyond its bounds."""
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    match value:
        case str():
            assert all(c.isprintable() or c in "\n\t" for c in value)
            assert len(value) <= 8000
        case int() | float():
            assert abs(value) <= LARGEST
        case Mapping():
            fit_to_keep(list(value))
            fit_to_keep(list(value.values()))
        case Sequence():
            assert len(value) <= MOST
            for each in value:
                fit_to_keep(each)


def ours(read: Callable[[], T], *codes: str) -> T | None:
    """What it gives, None where it ends with an error of ours, one of the ``codes`` if given; fit to be shown."""
    try:
        return read()
    except LiveUpdateError as error:
        failed = error
    assert failed.code in codes if codes else _CODE.fullmatch(failed.code), failed.code
    fit_to_keep([failed.detail, failed.remedy])
    return None
