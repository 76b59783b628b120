"""How the in-guest program fails: one exception, with a code that never changes, what happened, and what to do."""

from __future__ import annotations

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)


class GuestError(Exception):
    """``code`` is ``guest.…`` and stable; ``detail`` is bounded text; ``remedy`` is for the operator."""

    def __init__(self, code: str, detail: str, remedy: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail[:2000]
        self.remedy = remedy

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "detail": self.detail, "remedy": self.remedy}


def describe(error: BaseException) -> dict[str, str]:
    """Any exception as the three fields a worker can show."""
    if isinstance(error, GuestError):
        return error.as_json()
    if isinstance(error, OSError) and error.errno in _FULL:
        remedy = "make room there, then try again"
        return GuestError(
            "guest.disk-full", f"no space left for {error.filename or 'what it writes'}", remedy
        ).as_json()
    return GuestError("guest.internal", f"{type(error).__name__}: {error}").as_json()
