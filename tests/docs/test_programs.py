"""What the docs show of our own programs is executed, with settings of the test's own, and says what is shown."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.docs.blocks import Block, blocks
from tests.docs.shape import same

CONFIGURATION = "/etc/liveupdate/liveupdate.conf"


@pytest.fixture
def conf(tmp_path: Path, sqlite: Engine) -> Path:
    key = tmp_path / "webhooks.key"
    key.write_text("k" * 64)
    key.chmod(0o600)
    file = tmp_path / "liveupdate.conf"
    file.write_text(f"[database]\nconnection = {sqlite.url}\n[webhooks]\nkey_file = {key}\n")
    return file


@pytest.mark.parametrize("block", blocks("programs"), ids=lambda block: block.where)
def test_a_program_says_what_is_shown(block: Block, conf: Path) -> None:
    for command in block.commands():
        program, *rest = shlex.split(command.text)
        assert CONFIGURATION in rest, "where it reads its settings from is said"
        argv = [str(Path(sys.executable).parent / program), *rest]
        argv[argv.index(CONFIGURATION)] = str(conf)
        answer = subprocess.run(argv, capture_output=True, text=True, cwd=conf.parent)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        assert same(command.told, answer.stdout), f"{block.where}: {command.text} says today:\n{answer.stdout}"
