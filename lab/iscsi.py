"""iSCSI on two portals: tgtd, which exports volumes of Ceph to those who ask Cinder with an initiator of their own.

tgtd forgets its targets when it ends; cinder-volume tells it of them when it starts.
"""

import subprocess

from lab import ports, processes, settings
from lab.ini import Section
from lab.processes import Process

PACKAGES = ("tgt-rbd",)
NAME = "tgtd"
#: Cinder's driver, as cinder-volume finds it with the lab's checkout in its PYTHONPATH.
DRIVER = "lab.drivers.iscsi.LabIscsiDriver"
#: Every target's name begins with it.
PREFIX = "iqn.2026-01.lab.ceph:"
#: tgtadm finds the lab's tgtd by this, and never the machine's own.
ENVIRONMENT = {"TGT_IPC_SOCKET": str(settings.RUN / "tgtd")}


def up() -> None:
    """tgtd with both portals. Ceph must be up. Raises processes.Failed."""
    for address in settings.ISCSI_ADDRESSES:
        subprocess.run(["ip", "address", "replace", f"{address}/32", "dev", "lo"], check=True)
    if not processes.alive(NAME):
        # its next start, in a moment, brings the targets back
        processes.stop(["cinder-volume"])
    processes.start(daemon())
    processes.wait_ready(daemon())
    known = _tgtadm("show")
    for portal in _portals():  # a second option --iscsi would replace the first
        if portal not in known:
            _tgtadm("new", "--param", f"portal={portal}")


def daemon() -> Process:
    return Process(
        name=NAME,
        argv=["tgtd", "--foreground", "--iscsi", f"portal={_portals()[0]}"],
        env=ENVIRONMENT,
        ready=lambda: ports.listening(settings.ISCSI_ADDRESSES[0], settings.ISCSI_PORT),
        port=settings.ISCSI_PORT,
    )


def down() -> None:
    processes.stop([NAME], grace=0)  # it ignores SIGTERM, and has nothing to write
    for address in settings.ISCSI_ADDRESSES:
        subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], capture_output=True)


def backend() -> Section:
    """Cinder's options for it, beside those of Ceph."""
    first, *others = settings.ISCSI_ADDRESSES
    return {
        "volume_driver": DRIVER,
        # the same pool as that of the back end ceph
        "rbd_exclusive_cinder_pool": False,
        "target_prefix": PREFIX,
        "target_ip_address": first,
        "target_secondary_ip_addresses": others,
        "target_port": settings.ISCSI_PORT,
    }


def _portals() -> list[str]:
    return [f"{address}:{settings.ISCSI_PORT}" for address in settings.ISCSI_ADDRESSES]


def _tgtadm(operation: str, *arguments: str) -> str:
    """What it says of portals."""
    argv = ["tgtadm", "--lld", "iscsi", "--mode", "portal", "--op", operation, *arguments]
    environment = processes.environment(ENVIRONMENT)
    return subprocess.run(argv, env=environment, check=True, text=True, capture_output=True).stdout
