from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
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


@pytest.fixture(scope="module")
def clouds_yaml() -> Iterator[None]:
    """The running lab's clouds, by their names in its clouds.yaml."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OS_CLIENT_CONFIG_FILE", str(settings.CLOUDS))
        yield


@pytest.fixture(scope="module")
def admin(clouds_yaml: None) -> Any:
    return openstack.connect(cloud="admin")


@pytest.fixture(scope="module")
def demo(clouds_yaml: None) -> Any:
    return openstack.connect(cloud="demo")
