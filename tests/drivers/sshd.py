"""A real sshd on loopback, with keys of its own."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.ports import listening
from liveupdate.settings import Guest as GuestSettings
from tests import ports
from tests.waiting import PATIENCE, until

SSHD = shutil.which("sshd", path="/usr/sbin:/usr/bin")


@dataclass(frozen=True)
class Sshd:
    port: int
    host_key: str
    settings: GuestSettings


def keygen(path: Path) -> str:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text().strip()


@contextmanager
def running(folder: Path, more: str = "") -> Iterator[Sshd]:
    """``more``: lines of its configuration."""
    assert SSHD, "openssh-server is missing"
    host_key, public = keygen(folder / "host"), keygen(folder / "user")
    (folder / "authorized").write_text(public + "\n")
    port = ports.free()
    config = folder / "config"
    config.write_text(
        f"ListenAddress 127.0.0.1\nPort {port}\nHostKey {folder}/host\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin prohibit-password\nUseDNS no\n{more}AuthorizedKeysFile {folder}/authorized\n"
    )
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=subprocess.DEVNULL)
    user = os.environ.get("USER", "root") if os.geteuid() else "root"
    try:
        until(lambda: process.poll() is not None or listening("127.0.0.1", port))
        assert process.poll() is None, "sshd ended"
        yield Sshd(port, host_key, GuestSettings(user, str(folder / "user"), PATIENCE))
    finally:
        process.terminate()
        process.wait()
