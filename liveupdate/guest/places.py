"""Where the program lives in a guest. Everything here is tmpfs and root's alone, and goes with ``finish``."""

from __future__ import annotations

import os
from contextlib import suppress

ROOT = "/run/liveupdate"
AGENT = f"{ROOT}/agent.pyz"
SOCKET = f"{ROOT}/agent.sock"
PEER_SOCKET = f"{ROOT}/peer.sock"
JOURNAL = f"{ROOT}/journal.jsonl"
MOVE = f"{ROOT}/move.json"
#: What the target has put on its root disk itself.
PLACED = f"{ROOT}/placed"
IMAGES = f"{ROOT}/images"
#: Where images go that do not fit into memory; directories in it are made private and with names of their own.
DISK = "/var/tmp"  # noqa: S108 # nosec B108 # see above
KEY = f"{ROOT}/id"
KNOWN_HOSTS = f"{ROOT}/known_hosts"
SSHD_CONFIG = f"{ROOT}/sshd_config"
AUTHORIZED_KEYS = f"{ROOT}/authorized_keys"
#: While this exists, the guard lets the workload's units be loaded: a move to this machine is under way.
EXPECTING = f"{ROOT}/expecting"
#: While this exists, systemd neither starts nor mounts here what is on its way to the other machine, or there.
AWAY = f"{ROOT}/away"

#: What the guard needs to know, on the root disk, through reboots (see ``guard``).
GUARD = "/etc/liveupdate-guard"
#: In it: this copy has an initiator name of its own.
INITIATOR = "initiator"

AGENT_UNIT = "liveupdate-agent.service"
SSHD_UNIT = "liveupdate-sshd.service"
PEER_PORT = 7022


def make_root() -> None:
    """The private directory; an existing one must be root's."""
    os.makedirs(ROOT, mode=0o700, exist_ok=True)
    os.chmod(ROOT, 0o700)


def write_private(path: str, content: str) -> None:
    """Write a file only root can read, whole or not at all."""
    part = f"{path}.part"
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        os.replace(part, path)
    except OSError as error:
        with suppress(FileNotFoundError):
            os.unlink(part)
        # a write that finds no room does not say for what
        error.filename = error.filename or path
        raise


def set_away(away: bool) -> None:
    """The quick mark, for systemd alone; it does not outlive a boot."""
    if away:
        write_private(AWAY, "")
    else:
        with suppress(FileNotFoundError):
            os.unlink(AWAY)


def prepare_mark(addresses: str) -> None:
    """While there is room: where this machine would serve, for the guard's mark of a move.

    From here on it turns by its name alone: a disk that becomes full keeps nobody from leaving, or from serving again.
    Without a guard there is nobody to tell: nothing is written.
    """
    if os.path.isdir(GUARD) and not any(os.path.exists(f"{GUARD}/{mark}") for mark in ("new", "here", "away")):
        write_private(f"{GUARD}/new", addresses)
        _sync(f"{GUARD}/new")


def disown() -> None:
    """Tell the guard, durably, that the workload is not this machine's. Raises OSError if it cannot be told."""
    if not os.path.isdir(GUARD):
        return
    for mark in ("here", "new"):
        if os.path.exists(f"{GUARD}/{mark}"):
            os.rename(f"{GUARD}/{mark}", f"{GUARD}/away")
    _sync(f"{GUARD}/away")
    _sync(GUARD)


def own() -> None:
    """Tell it that the workload is this machine's, if it was told otherwise."""
    if os.path.exists(f"{GUARD}/away"):
        os.rename(f"{GUARD}/away", f"{GUARD}/here")
    if os.path.isdir(GUARD):
        # a predecessor of this program may have renamed it, and no more
        _sync(GUARD)


def owned() -> bool:
    """Whether a boot of this machine, whatever its UUID, starts the workload."""
    return os.path.exists(f"{GUARD}/here") or not os.path.isdir(GUARD)


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
