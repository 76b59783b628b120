"""The file systems of the boot set beside the root: each machine must have them mounted from a disk of its own."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import GuestError
from .inspect import mounts
from .move import System


def require(systems: Iterable[System]) -> None:
    """Raises GuestError(guest.system-missing) unless each is mounted, and from the disk with its serial number."""
    # what was mounted last at a place hides what was there before
    seen = {mount["where"]: mount["by_id"] for mount in mounts()}
    for system in systems:
        if system.serial not in seen.get(system.where, ""):
            raise GuestError(
                "guest.system-missing",
                f"{system.where} is {f'mounted from {seen[system.where]}' if system.where in seen else 'not mounted'} "
                f"here, and belongs on the volume whose id begins with {system.serial}",
                "see /etc/fstab and the journal of the machine: name it by UUID= or LABEL=",
            )
