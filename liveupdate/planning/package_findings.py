"""What the package manager would do: the output of its simulation in, findings out. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from liveupdate.model import Finding
from liveupdate.plain import plain
from liveupdate.planning import kernels
from liveupdate.planning.checks import check

#: Refreshes the package lists into a folder of its own and simulates with them: the guest's own lists, caches and locks
#: stay as they are. 75: the package source does not answer.
_SCRIPT = """
lists=$(mktemp -d /var/tmp/liveupdate-lists.XXXXXX) || exit 1
trap 'rm -rf "$lists"' EXIT HUP INT TERM
chmod 755 "$lists"
apt() {
  tool=$1; shift
  "apt-$tool" -q -o Debug::NoLocking=1 -o Dir::State::lists="$lists" \\
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= "$@"
}
apt get -o APT::Update::Error-Mode=any -o Acquire::http::Timeout=15 -o Acquire::Retries=0 update >&2 || exit 75
apt get -s dist-upgrade || exit
apt cache pkgnames linux-image- | sed 's/^/Known /'
"""
SIMULATE = ("sh", "-c", _SCRIPT)
_NO_SOURCE = 75

_KNOWN = re.compile(r"^Known (\S+)", re.MULTILINE)
_ERROR = re.compile(r"^(?:E:|sh:) ?(.*)", re.MULTILINE)


def judge(code: int, output: str, parameters: Mapping[str, Any], running: str) -> Iterator[Finding]:
    """``code`` and ``output`` of SIMULATE; ``parameters``: the request's, with "kernel" and "packages".

    ``running``: the guest's kernel. One that is installed and not yet running is new, too.
    """
    kernel = parameters.get("kernel")
    unneeded = not (kernel or parameters.get("packages"))
    error = _ERROR.search(output)
    words = plain(error.group(1)[:1000] if error else output[-200:]).strip()[:300]
    yield check(
        "guest.package-source",
        code != _NO_SOURCE,
        f"the guest's package source does not answer: {words}",
        "see that the package source can be reached from the server's network",
        warn=unneeded,
    )
    yield check(
        "guest.packages",
        code in (0, _NO_SOURCE),
        f"the package update cannot be simulated: {words}",
        "repair the guest's package state (apt-get -f install, dpkg --configure -a), then try again",
        warn=unneeded,
    )
    if code == 0 and kernel:
        release = chosen(output, kernel, running)
        yield check(
            "guest.kernel",
            release not in ("", running),
            f"{running} runs already, and nothing newer is known" if release else f"there is no kernel {kernel}",
            "refresh the server all the same, or name the kernel's package"
            if release
            else "see that the guest's package source has it, or name another package, linux-image-…",
            warn=bool(release),
        )


def chosen(output: str, kernel: str | None, running: str) -> str:
    """The release to run after the update, from the output of SIMULATE; "" if there is none as it was asked for."""
    return kernels.choose(kernel, running, kernels.releases(_KNOWN.findall(output)))
