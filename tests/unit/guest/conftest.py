"""A source and a target, copied, with a few files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from liveupdate.guest import files, survey
from tests.unit.guest.roots import TICK, Roots, moment


@pytest.fixture(autouse=True)
def quick_ticks() -> Iterator[None]:
    """What a tenth of a second is on any machine a few milliseconds are where the very clock of changes is read."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (survey, files):
            patch.setattr(module, "TICK", TICK)
        patch.setattr(survey, "_now", moment)
        yield


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    monkeypatch.setattr(survey, "sync", lambda root: None)
    roots = Roots(tmp_path)
    for name in ("etc/app.conf", "srv/a/b/file", "srv/a/other"):
        path = roots.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    roots.copy()
    return roots
