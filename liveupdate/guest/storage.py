"""Disks over several paths: what the kernel sees of them, and what multipathd has made of it. Reads only."""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any

from .errors import GuestError
from .external import find, run
from .small_files import first_line

INITIATOR = "/etc/iscsi/initiatorname.iscsi"
#: More than this nobody has; what tells of more is not believed.
_MOST = 1024
_NAME = re.compile(r"[\w.:-]{1,223}")
_DEVICE = re.compile(r"[a-z0-9_-]{1,32}")


def storage(sys: str = "/sys") -> dict[str, Any]:
    """{initiator, multipathd: it runs, sessions, disks, maps}; see the functions of these names."""
    maps = multipath_maps() if find("multipathd") else None
    return {
        "initiator": initiator(),
        "multipathd": maps is not None,
        "sessions": sessions(sys),
        "disks": disks(sys),
        "maps": maps or [],
    }


def initiator(path: str = INITIATOR) -> str:
    """This machine's name to iSCSI targets; "" if it has none (yet)."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            lines = file.read(4096).splitlines()
    except OSError:
        return ""
    names = [line.partition("=")[2].strip() for line in lines if line.startswith("InitiatorName=")]
    return names[-1] if names and _NAME.fullmatch(names[-1]) else ""


def sessions(sys: str = "/sys") -> list[dict[str, str]]:
    """[{name, target, portal, state}], ``state`` as the kernel says: LOGGED_IN, FAILED, …"""
    found = []
    for folder in sorted(glob.glob(f"{sys}/class/iscsi_session/session*"))[:_MOST]:
        name = os.path.basename(folder)
        connection = f"{sys}/class/iscsi_connection/connection{name[len('session') :]}:0"
        address, port = first_line(f"{connection}/persistent_address"), first_line(f"{connection}/persistent_port")
        told = {"name": name, "target": first_line(f"{folder}/targetname"), "state": first_line(f"{folder}/state")}
        found.append({**told, "portal": f"[{address}]:{port}" if ":" in address else f"{address}:{port}"})
    return found


def disks(sys: str = "/sys") -> list[dict[str, Any]]:
    """SCSI disks: [{device, wwid, target, portal, lun, users}]: target and portal are "" where it is not iSCSI.

    ``users``: its partitions, and device-mapper devices other than multipath's that are made of it.
    """
    known = {session["name"]: session for session in sessions(sys)}
    found = []
    for folder in sorted(glob.glob(f"{sys}/block/sd*"))[:_MOST]:
        where = os.path.realpath(f"{folder}/device")
        session = next((known[part] for part in where.split("/") if part in known), {})
        lun = where.rpartition(":")[2]
        found.append(
            {
                "device": os.path.basename(folder),
                "wwid": first_line(f"{folder}/device/wwid"),
                "target": session.get("target", ""),
                "portal": session.get("portal", ""),
                "lun": int(lun) if lun.isdigit() else 0,
                "users": _users(folder),
            }
        )
    return found


def _users(folder: str) -> list[str]:
    partitions = [os.path.basename(os.path.dirname(path)) for path in glob.glob(f"{folder}/*/partition")]
    used = []
    for holder in sorted(glob.glob(f"{folder}/holders/*")):
        if first_line(f"{holder}/dm/uuid").startswith("mpath-"):
            used += [os.path.basename(above) for above in glob.glob(f"{os.path.realpath(holder)}/holders/*")]
        else:
            used.append(os.path.basename(holder))
    return sorted(partitions) + used


def multipath_maps() -> list[dict[str, Any]] | None:
    """As ``parse_maps``; None if multipathd does not run. Raises GuestError(guest.multipath-unreadable)."""
    if not run(["systemctl", "is-active", "--quiet", "multipathd.service"], check=False).ok:
        return None
    told = run(["multipathd", "show", "maps", "json"], timeout=20, code="guest.multipath-unreadable")
    return parse_maps(told.text)


def parse_maps(text: str) -> list[dict[str, Any]]:
    """[{uuid, device, paths: [{device, dm_st, chk_st}]}]. Raises GuestError(guest.multipath-unreadable)."""
    try:
        maps = json.loads(text)["maps"]
        if len(maps) > _MOST:
            raise ValueError(f"{len(maps)} maps")
        return [
            {
                "uuid": _word(_NAME, each["uuid"]),
                "device": _word(_DEVICE, each["sysfs"]),
                "paths": [
                    {
                        "device": _word(_DEVICE, path["dev"]),
                        "dm_st": _word(_DEVICE, path["dm_st"]),
                        "chk_st": _word(_DEVICE, path["chk_st"]),
                    }
                    for group in each["path_groups"]
                    for path in group["paths"][:_MOST]
                ],
            }
            for each in maps
        ]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GuestError(
            "guest.multipath-unreadable", f"multipathd show maps json: {type(error).__name__}: {error}"[:500]
        ) from error


def good(path: dict[str, str]) -> bool:
    return path["dm_st"] == "active" and path["chk_st"] == "ready"


def _word(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{str(value)[:80]!r}")
    return value
