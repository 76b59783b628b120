"""What the in-guest program tells: of each command whose answer is read one sample, with everything that there can be.

The volume that the guest attaches itself is that of tests/planning/inside_volume.
"""

from typing import Any

from liveupdate.testing.captures import FILESYSTEM, HOST_KEY, provenance
from tests.planning.inside_volume import PORTALS, TARGET

STORAGE: dict[str, Any] = {
    "initiator": "iqn.1993-08.org.debian:01:a",
    "multipathd": True,
    "sessions": [{"name": "session1", "target": TARGET, "portal": PORTALS[0], "state": "LOGGED_IN"}],
    "disks": [{"device": "sda", "wwid": "w", "target": TARGET, "portal": PORTALS[0], "lun": 1, "users": ["sda1"]}],
    "maps": [{"uuid": "mpath-w", "device": "dm-0", "paths": [{"device": "sda", "dm_st": "active", "chk_st": "ready"}]}],
}
INSPECTION: dict[str, Any] = {
    "kernel": "6.1.0-25-amd64",
    "architecture": "x86_64",
    "boot_id": "b",
    "machine_id": "m",
    "smbios_uuid": "u",
    "hostname": "h",
    "cpus": 2,
    "memory": {"total": 1 << 30, "available": 1 << 29},
    "pids": {"maximum": 1 << 22, "highest": 900},
    "mounts": [
        {"where": "/", "device": "/dev/vda1", "block": "vda1", "by_id": "/dev/disk/by-id/virtio-a-part1",
         "fstype": "ext4", "options": "rw", "disks": ["/dev/disk/by-id/virtio-a"]}
    ],
    "swaps": [{"device": "/swap", "disks": ["/dev/disk/by-id/virtio-a"]}],
    "fstab": [{"source": "UUID=1", "where": "/", "fstype": "ext4", "options": "rw"}],
    "free": {"/": 1 << 32, "/boot": 1 << 30},
    "interfaces": [{"name": "eth0", "mac": "fa", "addresses": [{"address": "10.0.0.1", "prefix": 24}], "gateway": "g"}],
    "units": [{"name": "kv.service", "main_pid": 7, "pids": [7], "rss": 1, "threads": 1, "ports": [6379],
               "mounts": ["/"], "stdout": "journal", "sandboxing": ["PrivateTmp"],
               "fragment": "/etc/systemd/system/kv.service"}],
    "storage": STORAGE,
    "criu": {"version": "3.17", "ok": True, "why": "w"},
    "tools": {"criu": True},
    "systemd": True,
    "cloud_init": True,
    "reboot_required": False,
}  # fmt: skip
STATUS: dict[str, Any] = {
    "role": "source",
    "phase": "opened",
    "phases": [{"name": "granted", "monotonic": 1.0, "realtime": 2.0}],
    "now": 5.0,
    "boot_id": "0-1",
    "linked": True,
    "blackout_ms": 900,
    "timeline": [{"name": "unmounted", "ms": 0}],
    "bytes": 3,
    "returned": {"code": "guest.x", "detail": "d", "remedy": "r"},
    "resumed": {"units": {"kv.service": "alive"}, "changed": "c"},
    "failure": {"code": "guest.y", "detail": "d", "remedy": "r"},
    "path_events": [{"event": "lost", "target": TARGET, "portal": PORTALS[0], "at": 1.0}],
}
ANSWERS: dict[str, dict[str, Any]] = {
    "inspect": INSPECTION,
    "trial": {"ok": True, "reason": "r", "hint": "h", "dump_seconds": 0.5, "image_bytes": 9, "processes": 1},
    "storage": STORAGE,
    "guard_install": {"pid_base": 1, "masked": ["kv.service"], "disks": ["data-volume"]},
    "initiator_own": {"initiator": "iqn.x:own"},
    "storage_connect": {
        "volumes": {
            "inside-volume": {
                "device": "/dev/disk/by-id/dm-uuid-mpath-36001",
                "paths": [{"device": "sda", "portal": PORTALS[0]}],
                "missing": [PORTALS[1]],
            }
        }
    },
    "stale": {"processes": [{"unit": "kv.service", "pid": 7, "name": "kv", "files": ["/usr/lib/libssl.so.3"]}]},
    "provenance": provenance(filesystems={"virtio-data-volume": [FILESYSTEM]}),
    "status": STATUS,
    "keygen": {"public_key": HOST_KEY},
    "listen": {"port": 7022},
    "connect": {"clock_offset": -0.5},
    "precopy": {"round": 1, "bytes": 9, "seconds": 0.5, "estimate_ms": 900},
    "probe": {
        "ok": False,
        "units": {
            "kv.service": {"ok": False, "checks": [{"ok": False, "kind": "tcp", "what": "6379", "detail": "refused"}]}
        },
    },
    "open": {"opened": True},
    "hand_back": {"phase": "returned"},
    "resume": {"units": {"kv.service": "alive"}, "changed": "c"},
}
