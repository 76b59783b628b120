"""OpenStack's configuration files, from sections and options to private files."""

from collections.abc import Mapping
from pathlib import Path

from lab.passwords import write_private

Section = Mapping[str, object]


def render(sections: Mapping[str, Section]) -> str:
    """INI text in the order given. Booleans in lower case, tuples and lists joined by commas."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{option} = {_value(value)}\n" for option, value in options.items())
        for name, options in sections.items()
    )


def write(path: Path, sections: Mapping[str, Section]) -> None:
    """Write the file, readable by nobody else: most hold a password."""
    write_private(path, render(sections))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(str, value))
    return str(value)
