"""Volumes that a machine attaches by itself: log-in to iSCSI targets, under a name that no other machine has.

A copy of a disk has the original's name. Two machines of one name would take each other's sessions away, so the guard
keeps iscsid down on a copy until it has a name of its own.
"""

from __future__ import annotations

import glob
import os
import re
import socket
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import guard, places, units
from .errors import GuestError
from .external import run
from .multipath import multipath_up, wait_for_map
from .storage import INITIATOR, disks, good, initiator, multipath_maps, sessions

_NAME = re.compile(r"(iqn\.\d{4}-\d\d\.[a-z0-9.-]{1,100}(:[\w.:-]{1,100})?|(eui|naa)\.[0-9A-Fa-f]{16,32})")
_PORTAL = re.compile(r"(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-fA-F:.]+\]):\d{1,5}")
_SECRET = re.compile(r"[!-~]{1,255}")
_RECORDS = ("/etc/iscsi/nodes", "/var/lib/iscsi/nodes")
#: Said once a path is there already.
_EXISTS = 15
_PATIENCE = 30.0
#: Seconds for a connection: two lost packets.
_ANSWER = 5.0
_RECORDING = threading.Lock()
#: For our own log-in only: at a boot, the network may come later than the log-in is tried.
_ONCE = {"node.session.initial_login_retry_max": "1"}
#: Of our own routes, and of the rules that lead there: those of the guest stay as they are.
_TABLE = "7023"


def initiator_own(server_id: str) -> dict[str, Any]:
    """Give this machine, which is a copy, a name of its own, and let its iscsid start: {"initiator"}. Idempotent.

    Raises GuestError(guest.not-a-copy) on any machine but the server of this id.
    """
    if guard.uuid() != server_id:
        raise GuestError("guest.not-a-copy", f"this machine is not {server_id[:50]!r}: its name stays")
    name = own_name(initiator(), server_id)
    if initiator() != name:
        run(["systemctl", "stop", "iscsid.socket", "iscsid.service"], check=False)
        places.write_private(INITIATOR, f"InitiatorName={name}\n")
    if os.path.isdir(places.GUARD):
        places.write_private(f"{places.GUARD}/{places.INITIATOR}", "")
        units.reload()
    return {"initiator": name}


def own_name(old: str, server_id: str) -> str:
    """In the old one's naming authority, with what no other server has."""
    authority = old.rpartition(":")[0] if old.startswith("iqn.") and ":" in old else "iqn.2026-01.liveupdate"
    return f"{authority}:{server_id.replace('-', '')}"


def storage_connect(job: str, volumes: list[dict[str, Any]]) -> dict[str, Any]:
    """Log in to every target of each volume: {volume id: {device, paths, missing}}; nothing is mounted.

    A volume: {id, targets: [[portal, target, lun]], user, secret}. ``device``: its stable name, of the map if there is
    more than one target; ``paths``: [{device, portal}]; ``missing``: portals that could not be reached. Raises
    GuestError(guest.no-path) if none of a volume's could.
    """
    run(["systemctl", "start", "iscsid.socket"], check=False)
    with ThreadPoolExecutor(8) as pool:
        asked = {
            (volume["id"], portal): pool.submit(
                _log_in, _fit(_PORTAL, portal), _fit(_NAME, target), volume["user"], volume["secret"]
            )
            for volume in volumes
            for portal, target, _ in volume["targets"]
        }
        failed = {key: why for key, login in asked.items() if (why := login.result())}
    if any(len(volume["targets"]) > 1 for volume in volumes):
        multipath_up(job, [])
    told = {}
    for volume in volumes:
        missing = sorted(portal for volume_id, portal in failed if volume_id == volume["id"])
        why = "; ".join(sorted({failed[volume["id"], portal] for portal in missing}))
        told[volume["id"]] = {**_device(volume, len(volume["targets"]) - len(missing), why), "missing": missing}
    return {"volumes": told}


def _device(volume: dict[str, Any], expected: int, why: str) -> dict[str, Any]:
    """Once its disks are there, and the map of them."""
    end = time.monotonic() + _PATIENCE
    while len(found := paths_of(volume["targets"], disks())) < expected and time.monotonic() < end:
        time.sleep(0.2)
    if not found or not expected:
        raise GuestError("guest.no-path", f"volume {volume['id']}: {why or 'no disk appeared'}", "see the portals")
    paths = [{"device": each["device"], "portal": each["portal"]} for each in found]
    if len(volume["targets"]) == 1:
        wwid = str(found[0]["wwid"])
        return {"device": f"/dev/disk/by-id/wwn-0x{wwid.partition('.')[2]}", "paths": paths}
    made = wait_for_map({each["device"] for each in found}, expected)
    return {"device": f"/dev/disk/by-id/dm-uuid-mpath-{made['uuid']}", "paths": paths}


def paths_of(targets: Iterable[Any], seen: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The disks that are these targets' units."""
    wanted = {(target, lun) for _, target, lun in targets}
    return [each for each in seen if (each["target"], each["lun"]) in wanted]


def _log_in(portal: str, target: str, user: str, secret: str) -> str:
    """Why it did not work, "" if it did. The secret goes into the record's file, which only root can read."""
    if any((each["target"], each["portal"]) == (target, portal) for each in sessions()):
        return ""
    node = ["iscsiadm", "-m", "node", "-T", target, "-p", portal]
    settings = {
        "node.startup": "automatic",
        "node.session.timeo.replacement_timeout": "5",
        "node.conn[0].timeo.login_timeout": "15",
        "node.conn[0].timeo.noop_out_interval": "2",
        "node.conn[0].timeo.noop_out_timeout": "2",
    }
    if user:
        settings |= {"node.session.auth.authmethod": "CHAP", "node.session.auth.username": _fit(_SECRET, user)}
        settings["node.session.auth.password"] = _fit(_SECRET, secret)
    # iscsiadm reads whatever lies in the folder, also what is being written
    with _RECORDING:
        # a record that came with the copy is the original's
        run([*node, "-o", "delete"], check=False)
        run([*node, "-o", "new"], code="guest.log-in-failed")
        path = _record(portal, target)
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(1 << 20)
        places.write_private(path, with_settings(text, settings | _ONCE))
    done = run([*node, "--login"], timeout=60, check=False)
    with _RECORDING:
        places.write_private(path, with_settings(text, settings))
    return "" if done.code in (0, _EXISTS) else f"{portal}: {done.text[-200:]}"


def with_settings(record: str, settings: dict[str, str]) -> str:
    """The record of a node with these settings instead of its own."""
    kept = [line for line in record.splitlines() if line.partition(" = ")[0] not in settings]
    end = next((n for n, line in enumerate(kept) if line.startswith("# END RECORD")), len(kept))
    return "\n".join([*kept[:end], *(f"{key} = {value}" for key, value in settings.items()), *kept[end:], ""])


def _record(portal: str, target: str) -> str:
    address, _, port = portal.rpartition(":")
    name = f"{address.strip('[]')},{port}"
    for folder in _RECORDS:
        for pattern in (f"{glob.escape(f'{folder}/{target}/{name}')}{end}" for end in ("", ",*")):
            for path in sorted(glob.glob(pattern)):
                if os.path.isdir(path):
                    path = f"{path}/default"
                if os.path.isfile(path):
                    return path
    raise GuestError("guest.log-in-failed", f"iscsiadm has left no record of {target} at {portal}")


# -- by which address --------------------------------------------------------------------------------------------------


def storage_source(portals: list[str], address: str, routed: bool) -> dict[str, Any]:
    """Have every session with these portals leave by ``address``, one after the other, so that a map always has a path.

    ``routed``: the way to the portals says so, also for sessions to come; else what the routes say anyway. A session
    that is down is left to iscsid, which will find the new way, and none is cut that could not come back by it:
    {"moved": portals, "down": portals}. Raises GuestError(guest.session-stuck) if there is no portal but such.
    """
    moved, down = [], []
    for portal in portals:
        host = _fit(_PORTAL, portal).rpartition(":")[0].strip("[]")
        rule = ["to", host, "table", _TABLE, "priority", _TABLE]
        # a rule that is there already would be there twice
        run(["ip", "rule", "del", *rule], check=False)
        if routed:
            run(["ip", "route", "replace", host, *_way(host), "src", address, "table", _TABLE])
            run(["ip", "rule", "add", *rule])
        else:
            run(["ip", "route", "del", host, "table", _TABLE], check=False)
    for portal in portals:
        if _up(portal) and _elsewhere(portal, address):
            if not _answers(portal, address):
                down.append(portal)
                continue
            run(["ss", "-K", "-t", "dst", portal, "and", "not", "src", address], check=False)
            _wait_for_sessions(portal, address)
            moved.append(portal)
        if not _up(portal):
            down.append(portal)
    if portals and len(down) == len(portals):
        raise GuestError(
            "guest.session-stuck",
            f"no session with {', '.join(portals)[:300]} goes by {address}",
            "see iscsid, the portals, and whether they let this address in",
        )
    return {"moved": moved, "down": down}


def _way(host: str) -> list[str]:
    words = run(["ip", "route", "get", host]).text.split()
    return [word for key in ("via", "dev") if key in words for word in (key, words[words.index(key) + 1])]


def _answers(portal: str, address: str) -> bool:
    """Whether the portal takes a connection from this address."""
    host, _, port = portal.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER, (address, 0)).close()
    except OSError:
        return False
    return True


def _elsewhere(portal: str, address: str) -> bool:
    """Whether a connection with the portal leaves by another address."""
    told = run(["ss", "-Htn", "state", "established", "dst", portal]).text
    return any(line.split()[-2].rpartition(":")[0].strip("[]") != address for line in told.splitlines() if line.strip())


def _wait_for_sessions(portal: str, address: str) -> None:
    """Until they are up again, and good paths of their maps.

    Raises GuestError(guest.session-stuck) for one that cannot be made to go by there.
    """
    end = time.monotonic() + _PATIENCE
    # first the kernel sees that the connection is gone, then iscsid makes a new one
    while (wrong := _elsewhere(portal, address)) or not _up(portal) or not _in_maps(portal):
        if time.monotonic() > end:
            if wrong:
                raise GuestError("guest.session-stuck", f"the session with {portal} does not go by {address}")
            return
        time.sleep(0.2)


def _in_maps(portal: str) -> bool:
    """Whether the paths through the portal work, as far as they are paths of maps."""
    through = {disk["device"] for disk in disks() if disk["portal"] == portal}
    try:
        return all(good(path) for made in multipath_maps() or () for path in made["paths"] if path["device"] in through)
    except GuestError:  # multipathd is busy
        return False


def _up(portal: str) -> bool:
    """Whether every session with the portal is."""
    return all(each["state"] == "LOGGED_IN" for each in sessions() if each["portal"] == portal)


def _fit(pattern: re.Pattern[str], value: object) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise GuestError("guest.bad-volume", "a portal, a name or a log-in of the volume is not well formed")
    return value
