"""Which packages an update has changed: two listings of a guest's, which is hostile until looked at. Pure.

A listing has a line for each package: its state, its name and its version, as drivers/guest/packages.py asks for them.
"""

import re
from typing import Any

#: Packages that are looked at, and changes that are told.
_MOST, _TOLD = 20_000, 1000
_NAME, _VERSION = r"[a-z0-9][a-z0-9.+-]{0,120}(?::[a-z0-9-]{1,20})?", r"[A-Za-z0-9.+:~-]{1,120}"
_INSTALLED = re.compile(rf"^[a-z]i  ?({_NAME}) ({_VERSION})$", re.MULTILINE)


def parse(listing: str) -> dict[str, str]:
    """Name → version, of what is installed wholly."""
    return dict(_INSTALLED.findall(listing)[:_MOST])


def changes(before: str, after: str) -> list[dict[str, Any]]:
    """{name, before, after} of each package that is not as it was; None where it was, or is, not there."""
    old, new = parse(before), parse(after)
    changed = [name for name in sorted({*old, *new}) if old.get(name) != new.get(name)]
    return [{"name": name, "before": old.get(name), "after": new.get(name)} for name in changed[:_TOLD]]
