"""What the docs show of ``openstack live update …``: every command is there, is typed, and says what the docs say."""

import re
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.docs.blocks import PAGES, Block, blocks, prose
from tests.docs.shape import same
from tests.docs.site import Site
from tests.docs.terminal import COMMANDS, Terminal, Unknown, parser, split

pytestmark = pytest.mark.filterwarnings("ignore::Warning")

#: Page and section → what is special about the site; the others are a server that nothing is wrong with.
SITES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("docs/user.md", "Golden images"): {"works": False},
    ("docs/failures.md", "My job is in needs_attention"): {"silent_in": "user_space"},
    ("docs/failures.md", "It does not come to an end"): {"silent_in": "user_space"},
}
SECTIONS = {key: list(found) for key, found in groupby(blocks("client"), key=lambda block: (block.page, block.section))}
_INLINE = re.compile(r"`(openstack (?:--os-cloud \S+ )?live update [^`]*)`")


def play(terminal: Terminal, block: Block) -> None:
    for command in block.commands():
        fine, said = terminal.type(command.text)
        assert fine or command.told, f"{block.where}: {command.text}\n{said}"
        assert same(command.told, said), f"{block.where}: {command.text} says today:\n{said}"


@pytest.mark.parametrize("key", SECTIONS, ids=lambda key: f"{Path(key[0]).stem}: {key[1]}")
def test_the_commands_of_a_section_say_what_is_shown(key: tuple[str, str], sqlite: Engine) -> None:
    with Site(sqlite, **SITES.get(key, {})).running() as site:
        terminal = Terminal(site)
        for block in SECTIONS[key]:
            play(terminal, block)


def test_every_command_is_shown_in_an_example_that_is_executed() -> None:
    shown = {split(command.text)[1] for block in blocks("client") for command in block.commands()}
    assert shown == set(COMMANDS)


def test_what_is_special_about_a_site_is_of_a_section_that_there_is() -> None:
    assert set(SITES) <= set(SECTIONS)


def test_a_command_that_is_named_in_passing_is_one_that_there_is() -> None:
    """And its arguments, where it is given any, are understood."""
    for page in PAGES:
        for text in _INLINE.findall(prose(page)):
            try:
                _, name, arguments = split(text)
            except Unknown:
                family = " ".join(re.findall(r"[a-z]+", text.partition("openstack ")[2].partition("<")[0]))
                assert any(name.startswith(family) for name in COMMANDS), f"{page}: {text}"
                continue
            if arguments and "--help" not in arguments:
                parser(name)[1].parse_args(arguments)
