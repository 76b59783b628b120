"""A guest with a volume that it attaches itself over two paths, as preflight and its program tell of it."""

import copy
from typing import Any

TARGET = "iqn.2026-01.test:volume"
PORTALS = ["10.0.9.1:3260", "10.0.9.2:3260"]
INSIDE: dict[str, Any] = {
    "id": "inside-volume",
    "type": "iscsi",
    "multiattach": True,
    "servers": ["original"],
    "attachment_id": "attachment-original",
    "targets": [[portal, TARGET, 1] for portal in PORTALS],
}
STORAGE: dict[str, Any] = {
    "initiator": "iqn.1993-08.org.debian:01:abc",
    "multipathd": True,
    "sessions": [
        {"name": f"session{n}", "target": TARGET, "portal": portal, "state": "LOGGED_IN"}
        for n, portal in enumerate(PORTALS)
    ],
    "disks": [
        {"device": device, "wwid": "naa.6001", "target": TARGET, "portal": portal, "lun": 1, "users": []}
        for device, portal in zip(("sda", "sdb"), PORTALS, strict=True)
    ],
    "maps": [
        {
            "uuid": "36001",
            "device": "dm-0",
            "paths": [{"device": device, "dm_st": "active", "chk_st": "ready"} for device in ("sda", "sdb")],
        }
    ],
}
MOUNT = {
    "where": "/data",
    "device": "/dev/mapper/36001",
    "block": "dm-0",
    "by_id": "/dev/disk/by-id/dm-uuid-mpath-36001",
    "fstype": "ext4",
    "options": "rw",
}


def server() -> dict[str, Any]:
    return {"id": "original", "volumes": [], "inside": [copy.deepcopy(INSIDE)]}


def guest() -> dict[str, Any]:
    tools = {"multipathd": True, "iscsiadm": True, "ss": True}
    return {"storage": copy.deepcopy(STORAGE), "mounts": [dict(MOUNT)], "tools": tools}
