"""The forms of what a guest may tell: texts that are plain and cut, numbers and lists of ordinary size."""

from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, Strict

from liveupdate.plain import plain

T = TypeVar("T")

#: Characters of one text; a mount's options have a page at most.
_TEXT = 4096
#: Entries of one list.
_MOST = 4096


def _text(told: object) -> object:
    return plain(told, _TEXT).replace("\n", " ") if isinstance(told, str) else told


def _words(told: object) -> object:
    return plain(told, 2000) if isinstance(told, str) else told


Text = Annotated[str, Strict(), BeforeValidator(_text)]
#: For people, several lines perhaps.
Words = Annotated[str, Strict(), BeforeValidator(_words)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=1 << 62)]
Whole = Annotated[int, Strict(), Field(ge=-(1 << 62), le=1 << 62)]
Real = Annotated[float, Strict(), Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Moment = Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)]
Many = Annotated[tuple[T, ...], Field(max_length=_MOST)]
Keyed = Annotated[dict[Text, T], Field(max_length=_MOST)]
Phase = Annotated[str, Strict(), Field(pattern=r"^[a-z-]{1,40}$")]
