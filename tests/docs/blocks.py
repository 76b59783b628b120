"""The examples of the docs. A shell example is a fenced block whose info string says ``console`` and its class:

``programs``  our own programs, with a configuration of the test's own            tests/docs/test_programs.py
``client``    ``openstack live update …``, against the whole service in memory     tests/docs/test_client.py
``lab``       a shell, on the lab's cloud                                          tests/lab/test_docs.py
``long``      the same, with a server that is updated                              tests/lab/test_docs.py
``by-hand``   what no test can do; each is named in tests/docs/test_blocks.py with the reason

In it ``$ `` begins a command, which goes on after a backslash; what follows is its output. A line ``…`` of the output
stands for any number of lines, and only its shape is compared: ids, times and numbers are what they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page.relative_to(ROOT)
    for page in (
        *ROOT.glob("*.md"),
        *(ROOT / "lab").glob("*.md"),
        *(ROOT / "etc").glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
    )
    if "generated" not in page.parts
)
CLASSES = ("programs", "client", "lab", "long", "by-hand")

_FENCE = re.compile(r"^ *(?:```|:::)(?P<info>.*)$")
_SECTION = re.compile(r"^##? (?P<title>.+)$")


@dataclass(frozen=True)
class Command:
    """``told``: the lines of output that the docs show; none if they show none."""

    text: str
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """``language`` and ``kind``: the words of the info string; ``section``: the heading that it stands under."""

    page: str
    line: int
    section: str
    language: str
    kind: str
    lines: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[Command]:
        found: list[Command] = []
        for line in self.lines:
            if line.startswith("$ "):
                found.append(Command(line[2:]))
            elif found and found[-1].text.endswith("\\"):
                found[-1] = Command(f"{found[-1].text[:-1].rstrip()} {line.removeprefix('>').strip()}")
            elif found:
                found[-1] = Command(found[-1].text, (*found[-1].told, line))
        return found


def blocks(*kinds: str) -> list[Block]:
    """All of them, or the shell examples of these classes."""
    found = [block for page in PAGES for block in _of(page)]
    return [b for b in found if b.language == "console" and b.kind in kinds] if kinds else found


def prose(page: Path) -> str:
    """The page without its blocks; as many lines."""
    kept, inside = [], False
    for line in (ROOT / page).read_text().splitlines():
        fence = _FENCE.match(line)
        kept.append("" if inside or fence else line)
        inside ^= bool(fence)
    return "\n".join(kept)


def _of(page: Path) -> Iterator[Block]:
    section, opened, info = "", 0, ""
    lines: list[str] = []
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if fence := _FENCE.match(line):
            if not opened:
                opened, info, lines = number, fence["info"].strip(), []
                continue
            language, _, kind = info.partition(" ")
            yield Block(str(page), opened, section, language, kind.strip(), tuple(_dedented(lines)))
            opened = 0
        elif opened:
            lines.append(line)
        elif heading := _SECTION.match(line):
            section = heading["title"]
    assert not opened, f"{page}:{opened}: the block does not end"


def _dedented(lines: list[str]) -> list[str]:
    """In a list item a block is indented as a whole."""
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[margin:] for line in lines]
