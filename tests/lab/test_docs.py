"""The docs' examples that need a cloud are typed into a shell on the lab's, and say what the docs show.

web-1 is a server on a simulated host; the tutorial makes its own, which is updated. What differs is told command by
command, with all that was said: the docs are to say that, or the code is to be mended.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lab import settings
from lab.demo import servers, service
from tests.docs.blocks import Block, Command, blocks
from tests.docs.shape import same

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("running"),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "web-1"
#: Between what two commands say.
_MARK = "--- the next command ---"


@pytest.fixture(scope="module")
def running(clouds_yaml: None) -> Iterator[None]:
    service.start()
    yield
    service.stop()


@pytest.fixture
def web(demo: Any) -> Iterator[None]:
    demo.create_server(NAME, image="tiny", flavor="tiny", network="lab", auto_ip=False, wait=True)
    yield
    demo.delete_server(NAME, wait=True)


@pytest.fixture
def nothing_left(demo: Any) -> Iterator[None]:
    servers.clean(demo, NAME)
    yield
    servers.clean(demo, NAME)
    servers.clean_fallbacks(demo)


def typed(page: Sequence[Block]) -> None:
    """All commands in one shell, which ends at the first that fails."""
    commands = [_here(command) for block in page for command in block.commands()]
    lines = ["set -euo pipefail", "exec 2>&1", "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT"]
    lines += [f"echo '{_MARK}'\n{command.text}" for command in commands]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    shell = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=settings.CHECKOUT,
        env={**os.environ, "PATH": path, "OS_CLIENT_CONFIG_FILE": str(settings.CLOUDS), "OS_CLOUD": "demo"},
        stdout=subprocess.PIPE,
        text=True,
        timeout=3600,
    )
    said = [part.strip("\n") for part in shell.stdout.split(f"{_MARK}\n")[1:]]
    for command, words in zip(commands, said, strict=False):
        print(f"$ {command.text}\n{words}")
    assert shell.returncode == 0, f"failed: {commands[len(said) - 1].text}\n{said[-1]}"
    other = [(c.text, words) for c, words in zip(commands, said, strict=True) if not same(c.told, words)]
    assert not other, "\n\n".join(f"$ {text}\nsays today:\n{words}" for text, words in other)


def _here(command: Command) -> Command:
    """The lab's state, and its service's configuration, may lie elsewhere."""
    text = re.sub(r"(\$PWD/)?\blab/state", lambda _: str(settings.STATE), command.text)
    return Command(text.replace("/etc/liveupdate/liveupdate.conf", str(settings.ETC / "liveupdate.conf")), command.told)


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("page", sorted({block.page for block in blocks("lab")}))
def test_a_page_is_typed(page: str) -> None:
    typed([block for block in blocks("lab") if block.page == page])


@pytest.mark.long
@pytest.mark.usefixtures("nothing_left")
def test_the_tutorial_is_typed() -> None:
    assert {block.page for block in blocks("long")} == {"docs/tutorial.md"}
    typed(blocks("long"))
