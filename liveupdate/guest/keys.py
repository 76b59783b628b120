"""The ssh that the two machines speak: a key for this job alone, a server for this job alone, a pinned host key."""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import subprocess
import time
from dataclasses import dataclass
from typing import IO, Any

from . import places
from .errors import GuestError
from .external import ENVIRONMENT, run

_PUBLIC = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{40,200}")
#: Seconds for sshd to listen.
_START = 20
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
_SSHD = """\
Port {port}
ListenAddress {address}
HostKey {host_key}
AuthorizedKeysFile {authorized}
AllowUsers root
PermitRootLogin prohibit-password
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
ForceCommand python3 {agent} peer
DisableForwarding yes
PermitTTY no
PermitUserRC no
PrintMotd no
PidFile none
Ciphers chacha20-poly1305@openssh.com,aes128-gcm@openssh.com
ClientAliveInterval 5
ClientAliveCountMax 3
"""


def keygen() -> dict[str, Any]:
    """Make this job's key if there is none yet; {"public_key"}."""
    places.make_root()
    if not os.path.exists(places.KEY):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "liveupdate", "-f", places.KEY])
    with open(f"{places.KEY}.pub", encoding="ascii") as file:
        return {"public_key": " ".join(file.read().split()[:2])}


def listen(address: str, public_key: str) -> dict[str, Any]:
    """Let exactly this key in, on this address, to nothing but the link; {"port"}. Replaces an earlier one."""
    _check(public_key)
    places.write_private(places.AUTHORIZED_KEYS, f"{public_key}\n")
    config = _SSHD.format(
        port=places.PEER_PORT,
        address=ipaddress.ip_address(address),
        host_key=_HOST_KEY,
        authorized=places.AUTHORIZED_KEYS,
        agent=places.AGENT,
    )
    places.write_private(places.SSHD_CONFIG, config)
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    stop()
    unit = places.SSHD_UNIT
    run(["systemd-run", "--quiet", "--collect", f"--unit={unit}", "--property=Restart=always",
         "/usr/sbin/sshd", "-D", "-e", "-f", places.SSHD_CONFIG])  # fmt: skip
    _wait_listening(address)
    return {"port": places.PEER_PORT}


def _wait_listening(address: str) -> None:
    end = time.monotonic() + _START
    while True:
        try:
            return socket.create_connection((address, places.PEER_PORT), _START).close()
        except OSError as error:
            if time.monotonic() > end:
                raise GuestError("guest.sshd-failed", f"sshd for the link: {error}", "see its journal") from error
            time.sleep(0.1)


def stop() -> None:
    run(["systemctl", "stop", places.SSHD_UNIT], check=False)
    run(["systemctl", "reset-failed", places.SSHD_UNIT], check=False)


@dataclass(frozen=True)
class Session:
    """One ssh session to the other machine."""

    process: subprocess.Popen[bytes]
    incoming: IO[bytes]
    outgoing: IO[bytes]


def session(address: str, port: int, host_key: str, bind: str) -> Session:
    """Open a session from the address ``bind``. Its failure shows as the end of ``incoming``."""
    _check(host_key)
    place = f"[{ipaddress.ip_address(address)}]:{int(port)}"
    places.write_private(places.KNOWN_HOSTS, f"{place} {host_key}\n")
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": places.KNOWN_HOSTS,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": "ssh-ed25519",
        "BatchMode": "yes",
        "ConnectTimeout": "15",
        "ServerAliveInterval": "3",
        "ServerAliveCountMax": "3",
        "BindAddress": str(ipaddress.ip_address(bind)),
        "LogLevel": "ERROR",
        "IPQoS": "throughput",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    process = subprocess.Popen(
        ["ssh", "-F", "none", "-T", "-i", places.KEY, *words, "-p", str(int(port)), f"root@{address}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=ENVIRONMENT,
    )
    if process.stdin is None or process.stdout is None:
        raise GuestError("guest.internal", "ssh has no pipes")
    return Session(process, process.stdout, process.stdin)


def _check(key: str) -> None:
    if not _PUBLIC.fullmatch(key):
        raise GuestError("guest.bad-key", "not an ed25519 public key")
