"""Which kernel a server shall run after its update. Pure.

A *release* is what ``uname -r`` says: a version and a flavour, "6.1.0-56-cloud-amd64". Its package is
linux-image-<release>.
"""

import re
from collections.abc import Iterable

NEWEST = "newest"
PREFIX = "linux-image-"
_RELEASE = re.compile(r"([0-9][^-]*(?:-[0-9][^-]*)*)-([a-z][a-z0-9-]*)")
#: Packages of other things than a kernel to boot.
_OTHER = ("-dbg", "-unsigned")


def choose(asked: str | None, running: str, known: Iterable[str]) -> str:
    """The release to run: ``asked`` is a package, "newest" of the running flavour, or None for the running one.

    ``linux-image-<flavour>`` is the newest of that flavour. "" if neither it nor any of ``known`` is that.
    """
    if asked is None:
        return running
    releases, told = {running, *known}, asked.removeprefix(PREFIX)
    if told in releases:
        return told
    flavour = _flavour(running) if asked == NEWEST else told
    return max((r for r in releases if flavour and _flavour(r) == flavour), key=_age, default="")


def outranking(release: str, installed: Iterable[str]) -> list[str]:
    """The installed releases that a boot loader would by itself start rather than this one."""
    return [other for other in installed if (_age(other), other) > (_age(release), release)]


def releases(packages: Iterable[str]) -> list[str]:
    """The releases among names of packages, oldest first; what is none is passed over."""
    found = {name.removeprefix(PREFIX) for name in packages if name.startswith(PREFIX) and not name.endswith(_OTHER)}
    return sorted((r for r in found if _RELEASE.fullmatch(r)), key=_age)


def _age(release: str) -> tuple[int, ...]:
    match = _RELEASE.fullmatch(release)
    # nine digits: a guest may claim any version
    return tuple(int(number[:9]) for number in re.findall(r"[0-9]+", match.group(1))) if match else ()


def _flavour(release: str) -> str:
    match = _RELEASE.fullmatch(release)
    return match.group(2) if match else ""
