"""apt in a guest. What a guest tells is checked for its form; what takes long is a command for a task."""

import re
from collections.abc import Sequence

from liveupdate.drivers.guest.guest import Guest

_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{1,120}")
#: Nobody can be asked: the guest's own configuration files stay as they are. Another apt may be at work.
_APT = (
    "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=300",
    "-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold",
)  # fmt: skip

REFRESH = (*_APT, "-o", "APT::Update::Error-Mode=any", "update")


def install(packages: Sequence[str]) -> tuple[str, ...]:
    return (*_APT, "--no-install-recommends", "install", "--", *packages)


def upgrade_all() -> tuple[str, ...]:
    """Everything that can be upgraded without removing anything; kernels come with updates of their own."""
    return (*_APT, "--with-new-pkgs", "upgrade")


def quietly(argv: Sequence[str]) -> tuple[str, ...]:
    """Fresh package lists, then ``argv``, with maintainer scripts kept from starting or stopping services.

    A policy that is there already stays, and rules; one of ours that a crash has left goes.
    """
    return ("sh", "-c", _QUIETLY, "sh", *argv)


#: needrestart would restart services by itself.
_QUIETLY = """
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ] || grep -qx '# liveupdate' $policy; then
  trap 'rm -f $policy' EXIT HUP INT TERM
  printf '#!/bin/sh\\n# liveupdate\\nexit 101\\n' > $policy
  chmod 755 $policy
fi
export NEEDRESTART_SUSPEND=1 DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 update && "$@"
"""


def installed(guest: Guest, prefix: str) -> list[str]:
    """Names of the packages that are installed wholly and begin with ``prefix``."""
    # dpkg-query ends with 1 if there is none
    argv = ["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\\n", f"{prefix}*"]
    lines = guest.run(argv, check=False).stdout.splitlines()
    return [line[3:] for line in lines if line[1:3] == "i " and _NAME.fullmatch(line[3:])]


def listing(guest: Guest) -> str:
    """A line for each package: its state, its name, its version."""
    return guest.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${binary:Package} ${Version}\\n"]).stdout
