"""A source and a target, copied, with a few files."""

from __future__ import annotations

from pathlib import Path

import pytest

from liveupdate.guest import survey
from tests.unit.guest.roots import Roots


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
