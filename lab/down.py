"""Takes the lab down to the last process, namespace, bridge, mount and address of it."""

import shutil
import subprocess
from pathlib import Path

from lab import bridges, ceph, iscsi, namespaces, processes, settings

#: What the others need to end well: stopped after them.
FOUNDATION = ("mariadb", "rabbitmq", "epmd", "memcached", "ceph-mon", "ceph-osd", "ceph-mgr", iscsi.NAME)
#: Kept by wipe(): dear to make anew, and nothing of a cloud's life is in them.
CACHES = ("venv", "cache", "image", "apt")
#: Held by whoever wipes; a new one would let a second in.
LOCK = "lock"


def down() -> None:
    holders = [host.holder for host in namespaces.HOSTS]
    running = processes.names()
    processes.stop([name for name in reversed(running) if name not in (*FOUNDATION, *holders)], grace=8)
    for host in namespaces.HOSTS:
        namespaces.down(host)
    processes.stop(holders)
    iscsi.down()
    processes.stop(FOUNDATION, grace=20)
    _unmount()
    bridges.down()
    ceph.remove_address()


def wipe() -> None:
    """Forget the cloud: databases, volumes, logs, passwords. Only when everything is down."""
    if not settings.STATE.exists():
        return
    for entry in settings.STATE.iterdir():
        if entry.name in (*CACHES, LOCK):
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _unmount() -> None:
    mounted = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for path in sorted(mounted, reverse=True):
        if Path(path).is_relative_to(settings.STATE) and path != str(settings.STATE):
            subprocess.run(["umount", path], check=True, capture_output=True)
