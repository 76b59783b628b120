"""The forms of what a guest may tell: texts that are plain and cut, numbers and lists of ordinary size."""

import re
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field, Strict

from liveupdate.plain import plain

T = TypeVar("T")

#: Characters of one text; a mount's options have a page at most.
_TEXT = 4096
#: Entries of one list.
_MOST = 4096
#: The program's own codes: it cannot speak with ours.
_CODE = re.compile(r"guest\.[a-z0-9.-]{1,80}")


def code(told: str) -> str:
    """``told`` as a code of the program's: what is none of them says no more than that something has failed."""
    return told if _CODE.fullmatch(told) else "guest.failed"


def _text(told: object) -> object:
    return plain(told, _TEXT).replace("\n", " ") if isinstance(told, str) else told


def _words(told: object) -> object:
    return plain(told, 2000) if isinstance(told, str) else told


def _code(told: object) -> object:
    return code(told) if isinstance(told, str) else told


Text = Annotated[str, Strict(), BeforeValidator(_text)]
#: For people, several lines perhaps.
Words = Annotated[str, Strict(), BeforeValidator(_words)]
Code = Annotated[str, Strict(), BeforeValidator(_code)]
Flag = Annotated[bool, Strict()]
Count = Annotated[int, Strict(), Field(ge=0, le=1 << 62)]
Whole = Annotated[int, Strict(), Field(ge=-(1 << 62), le=1 << 62)]
Real = Annotated[float, Strict(), Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Moment = Annotated[float, Strict(), Field(ge=0, le=1e12, allow_inf_nan=False)]
Many = Annotated[tuple[T, ...], Field(max_length=_MOST)]
Keyed = Annotated[dict[Text, T], Field(max_length=_MOST)]
Phase = Annotated[str, Strict(), Field(pattern=r"^[a-z-]{1,40}$")]
