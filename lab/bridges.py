"""The lab's two bridges on this machine: management for the hosts' agents, data for the guests' flat network.

The machine itself is the gateway of both, so it reaches every host and every guest without a route.
"""

import subprocess

from lab import settings

ADDRESSES = {
    settings.MANAGEMENT_BRIDGE: settings.MANAGEMENT_ADDRESS,
    settings.DATA_BRIDGE: settings.DATA_ADDRESS,
}


def up() -> None:
    for bridge, address in ADDRESSES.items():
        if not _exists(bridge):
            _run("ip", "link", "add", bridge, "type", "bridge")
        _run("ip", "address", "replace", f"{address}/24", "dev", bridge)
        _run("ip", "link", "set", bridge, "up")
    # the hosts' switches read packets in userspace: the machine's own must leave with their checksums computed
    _run("ethtool", "--offload", settings.DATA_BRIDGE, "tx", "off")


def down() -> None:
    for bridge in ADDRESSES:
        if _exists(bridge):
            _run("ip", "link", "delete", bridge)


def _exists(bridge: str) -> bool:
    return subprocess.run(["ip", "link", "show", bridge], capture_output=True).returncode == 0


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True)
