"""What the package manager would do: the output of its simulation in, findings out. Pure.

The simulation reads the package lists as they are in the guest; that they are fresh is seen to on the surrogate.
"""

import re
from collections.abc import Iterator
from typing import Any

from liveupdate.model import Finding
from liveupdate.planning.checks import check

#: Takes no lock and writes nothing.
SIMULATE = ("apt-get", "-s", "-q", "-o", "Debug::NoLocking=1", "dist-upgrade")

_INSTALLED = re.compile(r"^Inst (\S+)", re.MULTILINE)
_KERNEL = re.compile(r"linux-image-\d")
_ERROR = re.compile(r"^(?:E:|sh:) ?(.*)", re.MULTILINE)


def judge(code: int, output: str, kernel: Any) -> Iterator[Finding]:
    """``code`` and ``output`` of SIMULATE; ``kernel`` as the request has it: "newest", a package's name, or None."""
    error = _ERROR.search(output)
    yield check(
        "guest.packages",
        code == 0,
        f"the package update cannot be simulated: {(error.group(1) if error else output[-200:]).strip()[:300]}",
        "repair the guest's package state (apt-get -f install, dpkg --configure -a), then try again",
    )
    if code == 0 and kernel == "newest":
        newer = [name for name in _INSTALLED.findall(output) if _KERNEL.match(name)]
        yield check(
            "guest.kernel",
            bool(newer),
            "the guest's package lists know of no newer kernel",
            "refresh them (apt-get update), or see that the package source has one",
            warn=True,
        )
