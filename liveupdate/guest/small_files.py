"""Small files of the kernel's and of the system's, in /proc, /sys and /etc."""

from __future__ import annotations

#: Characters; the longest that is asked for is an ssh host key.
_LONGEST = 1000


def first_line(path: str) -> str:
    """Without the blanks around it; "" if there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline(_LONGEST).strip()
    except OSError:
        return ""
