"""The lab's own sudo and mount."""

import os
import subprocess
from pathlib import Path

from lab import settings

SHIMS = settings.LAB / "shims"


def said(*command: str, path: Path | None = None) -> str:
    environment = {"PATH": f"{path}:{os.environ['PATH']}" if path else os.environ["PATH"]}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.strip()


def test_sudo_drops_its_options() -> None:
    assert said(str(SHIMS / "sudo"), "-n", "-E", "echo", "a b", "-n") == "a b -n"


def test_sudo_drops_rootwrap_and_its_configuration() -> None:
    assert said(str(SHIMS / "sudo"), "cinder-rootwrap", "/etc/cinder/rootwrap.conf", "echo", "x") == "x"
