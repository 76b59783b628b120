"""Every example of the docs is of a class that some test executes, or is named here with the reason why none can."""

import re
import subprocess
from pathlib import Path

import pytest

from liveupdate import settings
from tests.docs.blocks import CLASSES, PAGES, ROOT, Block, blocks, prose

#: Page → why the shell examples of the class by-hand there are not executed by a test of the docs.
BY_HAND = {
    "README.md": "what CI runs, and what it is made of: make test runs this test",
    "docs/operators.md": "changes a real cloud's catalog and accounts, and the host's own: users, packages, systemd",
    "docs/tutorial.md": "the lab's own life, around the test that the rest of the page is executed by",
    "lab/README.md": "the lab's own life: tests/lab/test_up.py, test_down.py, and CI itself",
}
#: What else stands in fences: outputs and pictures, other people's configuration, ours, and Sphinx's own.
OTHERS = {"text", "yaml", "sql", "ini", "{toctree}", "{eval-rst}"}
#: What looks typed, and must not hide in a block that nobody executes.
_TYPED = re.compile(r"^\s*(\$ |openstack |liveupdate-|make |python3? -m |curl |systemctl )", re.MULTILINE)


def test_the_pages_are_found() -> None:
    assert {Path("README.md"), Path("docs/user.md"), Path("lab/README.md"), Path("etc/README.md")} < set(PAGES)
    assert {block.kind for block in blocks() if block.language == "console"} == set(CLASSES)


@pytest.mark.parametrize("block", blocks(), ids=lambda block: block.where)
def test_a_block_is_of_a_class(block: Block) -> None:
    if block.language == "console":
        assert block.kind in CLASSES, "see tests/docs/blocks.py"
        assert block.lines[0].startswith("$ "), "a shell example begins with a command"
    else:
        assert (block.language, block.kind) in {(other, "") for other in OTHERS}
        assert not _TYPED.search("\n".join(block.lines)), "a shell example is a console block"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_example_stands_outside_of_a_fence(page: Path) -> None:
    for before, line in zip(("", *prose(page).splitlines()), prose(page).splitlines(), strict=False):
        assert before or not line.startswith("    ") or line.lstrip().startswith(("-", "*")), f"{page}: {line}"


def test_what_is_done_by_hand_is_little_and_known() -> None:
    assert {block.page for block in blocks("by-hand")} == set(BY_HAND)
    assert sum(len(block.commands()) for block in blocks("by-hand")) <= 30


@pytest.mark.parametrize("kind", CLASSES)
def test_a_shell_understands_every_command(kind: str) -> None:
    for block in blocks(kind):
        script = "\n".join(command.text for command in block.commands())
        read = subprocess.run(["bash", "-n", "-c", script], capture_output=True, text=True)
        assert read.returncode == 0, f"{block.where}: {read.stderr}"


def test_our_configuration_has_options_that_there_are() -> None:
    known = {group: {option.name for option in options} for group, options in settings.list_opts()}
    for block in blocks():
        if block.language == "ini":
            section = ""
            for line in block.lines:
                if line.startswith("["):
                    section = line.strip("[]")
                else:
                    assert line.partition(" = ")[0] in known[section], f"{block.where}: {line}"


def test_a_make_target_that_the_docs_name_is_one_that_there_is() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for named in re.findall(r"^\$ make ([a-z -]+)|`make ([a-z -]+)", (ROOT / page).read_text(), re.MULTILINE):
            assert set("".join(named).split()) <= targets, page
