"""Which kernels the archive offers: guests start with the oldest and may be updated to the newest."""

import subprocess
from functools import cache

from lab.processes import Failed

#: Always depends on the newest kernel of its own version.
METAPACKAGE = "linux-image-cloud-amd64"


@cache
def kernels() -> tuple[str, str]:
    """Versions of the metapackage: the oldest and the newest. Raises Failed where the archive offers only one."""
    table = subprocess.run(["apt-cache", "madison", METAPACKAGE], check=True, text=True, capture_output=True).stdout
    versions = [line.split("|")[1].strip() for line in table.splitlines()]
    if len(set(versions)) < 2:
        raise Failed(f"the archive offers no two versions of {METAPACKAGE}: nothing to update a guest to")
    return versions[-1], versions[0]


def image_package(version: str) -> str:
    """Name of the kernel package behind this version of the metapackage."""
    show = ["apt-cache", "show", f"{METAPACKAGE}={version}"]
    text = subprocess.run(show, check=True, text=True, capture_output=True).stdout
    depends = next(line for line in text.splitlines() if line.startswith("Depends: "))
    return depends.split()[1]
