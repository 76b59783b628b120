"""multipathd, where a disk is seen on several paths and nobody has set it up: by a configuration file of our own."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import Any

from . import places
from .errors import GuestError
from .external import find, run
from .storage import good, multipath_maps

CONF = "/etc/multipath/conf.d/liveupdate.conf"
#: One statement a line: sections of one line are mis-read.
_TEXT = """\
# written by liveupdate, job {job}
defaults {{
    user_friendly_names no
    find_multipaths yes
    path_checker tur
    polling_interval 2
    no_path_retry 30
}}
"""
#: Seconds for a path that is logged in to be a path of its map.
_PATIENCE = 30.0


def multipath_up(job: str, disks: list[list[str]]) -> dict[str, Any]:
    """Have multipathd run, now and after a boot, and see the map of each disk: {"maps": [uuid]}.

    ``disks``: the devices of each. A multipathd that runs stays as it is. Raises GuestError(guest.no-multipath),
    GuestError(guest.no-map).
    """
    if find("multipathd") is None:
        raise GuestError("guest.no-multipath", "multipathd is not installed", "apt-get install multipath-tools")
    if not run(["systemctl", "is-active", "--quiet", "multipathd.service"], check=False).ok:
        os.makedirs(os.path.dirname(CONF), exist_ok=True)
        places.write_private(CONF, _TEXT.format(job=job))
        run(["systemctl", "enable", "--now", "multipathd.service"], code="guest.no-multipath")
    return {"maps": [wait_for_map(set(devices), len(devices))["uuid"] for devices in disks]}


def multipath_down(job: str) -> dict[str, Any]:
    """Take back what ``multipath_up`` has done for this job. Idempotent."""
    if not _is_of(job):
        return {}
    run(["systemctl", "disable", "--now", "multipathd.service", "multipathd.socket"], check=False)
    # the maps that it made; one that is in use stays until it is not
    run(["multipath", "-F"], check=False)
    with suppress(FileNotFoundError):
        os.unlink(CONF)
    with suppress(OSError):
        os.rmdir(os.path.dirname(CONF))
    return {}


def _is_of(job: str) -> bool:
    try:
        with open(CONF, encoding="utf-8", errors="replace") as file:
            return file.readline() == _TEXT.partition("\n")[0].format(job=job) + "\n"
    except FileNotFoundError:
        return False


def _maps() -> list[dict[str, Any]]:
    """None while multipathd is too busy to answer."""
    try:
        return multipath_maps() or []
    except GuestError:
        return []


def wait_for_map(devices: set[str], paths: int) -> dict[str, Any]:
    """The map that is made of these devices, once ``paths`` of its paths are good; later, as it is then.

    Raises GuestError(guest.no-map) if there is none, or none of its paths is good.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        found = next((each for each in _maps() if devices & {path["device"] for path in each["paths"]}), None)
        count = sum(good(path) for path in found["paths"]) if found else 0
        if found and (count >= paths or (count and time.monotonic() > end)):
            return found
        if time.monotonic() > end:
            told = f"{count} good paths" if found else "no map"
            raise GuestError(
                "guest.no-map", f"{told} of {', '.join(sorted(devices))}", "see multipathd's journal in the guest"
            )
        time.sleep(0.5)
