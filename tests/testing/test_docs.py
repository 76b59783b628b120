"""What the docs say of our own programs is executed, with a configuration of the test's own."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

ROOT = Path(__file__).parents[2]
PAGES = ("docs/operators.md", "etc/README.md")
#: At a line's beginning in a block, or between backticks.
COMMAND = re.compile(r"(?:^ {4}|`)(liveupdate-(?:manage|status) [^`\n]+)", re.MULTILINE)
COMMANDS = sorted({found.strip() for page in PAGES for found in COMMAND.findall((ROOT / page).read_text())})


@pytest.fixture
def conf(tmp_path: Path, sqlite: Engine) -> Path:
    key = tmp_path / "webhooks.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    file = tmp_path / "liveupdate.conf"
    file.write_text(f"[database]\nconnection = {sqlite.url}\n[webhooks]\nkey_file = {key}\n")
    return file


def test_there_are_some() -> None:
    assert len(COMMANDS) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_docs_works(command: str, conf: Path) -> None:
    program, *rest = shlex.split(command)
    rest = [str(conf) if word == "/etc/liveupdate/liveupdate.conf" else word for word in rest]
    if "--config-file" not in rest:
        rest = ["--config-file", str(conf), *rest]
    argv = [str(Path(sys.executable).parent / program), *rest]
    answer = subprocess.run(argv, capture_output=True, text=True, cwd=conf.parent)
    assert answer.returncode == 0, answer.stdout + answer.stderr
