from pathlib import Path

import pytest

from lab import passwords, settings


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab's state of the test's own."""
    monkeypatch.setattr(settings, "STATE", tmp_path)
    monkeypatch.setattr(settings, "LOGS", tmp_path / "log")
    monkeypatch.setattr(settings, "RUN", tmp_path / "run")
    monkeypatch.setattr(passwords, "FILE", tmp_path / "secrets.json")
    return tmp_path
