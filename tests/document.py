"""Where runs that take long leave what they found: docs/reliability.md, between two marks."""

from pathlib import Path

_DOCUMENT = Path(__file__).parents[1] / "docs" / "reliability.md"


def write(name: str, told: str) -> None:
    """Replace what stands between the marks of ``name``."""
    text = _DOCUMENT.read_text()
    before, begin, rest = text.partition(f"<!-- {name}: ")
    comment, _, rest = rest.partition("\n")
    _, end, after = rest.partition(f"<!-- end of the {name} -->")
    assert begin, f"{_DOCUMENT.name} has no place for {name}"
    assert end, f"{_DOCUMENT.name}: the place for {name} does not end"
    _DOCUMENT.write_text(f"{before}{begin}{comment}\n\n{told}\n{end}{after}")
