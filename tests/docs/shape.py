"""Whether an output is what the docs show: ids, times and numbers differ; … stands for anything, alone for lines."""

import re
from collections.abc import Sequence

_VARYING = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27,}|req-\S+|\d{4}-\d\d-\d\dT[0-9:.+]+|\b\d+(?:\.\d+)?\b|\b[0-9a-f]{8}\b")


def same(shown: Sequence[str], said: str) -> bool:
    """An example need not show its output; if it does, all of it."""
    expected = [line for line in shown if line.strip()]
    return not expected or _follows(expected, [line for line in said.splitlines() if line.strip()])


def _follows(shown: Sequence[str], said: Sequence[str]) -> bool:
    if not shown:
        return not said
    if shown[0].strip() == "…":
        return any(_follows(shown[1:], said[n:]) for n in range(len(said) + 1))
    return bool(said) and _like(shown[0], said[0]) and _follows(shown[1:], said[1:])


def _like(shown: str, said: str) -> bool:
    return bool(re.fullmatch(".*".join(map(re.escape, _shape(shown).split("…"))), _shape(said)))


def _shape(line: str) -> str:
    """Without what is different each time, and without a table's widths."""
    return re.sub(r"-{2,}", "--", re.sub(r"\s+", " ", _VARYING.sub("#", line))).strip()
