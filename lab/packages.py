"""What must be installed: Debian's packages, and one Python environment with every OpenStack service."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import ceph, iscsi, libvirt, mariadb, memcached, metrics, openvswitch, rabbitmq, settings
from lab.image import build
from lab.processes import Failed

PACKAGES = (
    *("ethtool", "iproute2", "openssh-client", "python3-venv"),
    *(*mariadb.PACKAGES, *rabbitmq.PACKAGES, *memcached.PACKAGES),
    *(*ceph.PACKAGES, *iscsi.PACKAGES, *libvirt.PACKAGES, *openvswitch.PACKAGES, *build.PACKAGES, *metrics.PACKAGES),
)
#: Bindings that exist only as Debian packages, for the same Python 3.11 as the environment's.
BORROWED = ("libvirt*.py", "libvirtmod*.so", "rados.*.so", "rbd.*.so")
REQUIREMENTS = (settings.LAB / "requirements.txt", settings.LAB / "constraints.txt")
POLICY = Path("/usr/sbin/policy-rc.d")
APT = ("apt-get", "-o", "DPkg::Lock::Timeout=600", "--yes", "--no-install-recommends")


def install() -> None:
    """Bring the machine and the environment to what the lab needs; nothing to do when they are."""
    if ensure(*PACKAGES):
        _disable_services()
    _make_environment()


def ensure(*packages: str) -> bool:
    """Install what is missing of these, starting none of their services; whether anything was."""
    missing = sorted(package for package in set(packages) if not _installed(package))
    if missing:
        with _no_services_started():
            _run(*APT, "update")
            _run(*APT, "install", *missing)
    return bool(missing)


def version() -> str:
    """Changes whenever the pinned requirements do."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in REQUIREMENTS)).hexdigest()[:12]


def _make_environment() -> None:
    made = settings.VENV / "made"
    if made.exists() and made.read_text() == version():
        return
    if sys.version_info[:2] != (3, 11):
        raise Failed("the lab needs Python 3.11: Ceph's and libvirt's bindings are built for it")
    requirements, constraints = map(str, REQUIREMENTS)
    _run(sys.executable, "-m", "venv", str(settings.VENV))
    _run(str(settings.VENV / "bin/pip"), "install", "--quiet", "uv")
    _run(
        *(str(settings.VENV / "bin/uv"), "pip", "install", "--quiet", "--compile-bytecode"),
        *("--python", str(settings.VENV / "bin/python"), "-r", requirements, "-c", constraints),
    )
    site = next(settings.VENV.glob("lib/python3*/site-packages"))
    for pattern in BORROWED:
        for module in Path("/usr/lib/python3/dist-packages").glob(pattern):
            (site / module.name).unlink(missing_ok=True)
            (site / module.name).symlink_to(module)
    made.write_text(version())


def _installed(package: str) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    return subprocess.run(query, capture_output=True, text=True).stdout == "installed"


@contextmanager
def _no_services_started() -> Iterator[None]:
    """Keep packages from starting their services: the lab brings its own instances on other ports."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _disable_services() -> None:
    """What these packages would start at the next boot stays off; only called when the lab installed something."""
    if shutil.which("systemctl") and Path("/run/systemd/system").exists():
        debian = ("memcached", "rabbitmq-server", "epmd.socket", "openvswitch-switch", "ceph.target", "tgt")
        for unit in (*debian, *metrics.PACKAGES):
            active = subprocess.run(["systemctl", "--quiet", "is-active", unit]).returncode == 0
            if not active:
                subprocess.run(["systemctl", "--quiet", "disable", unit], capture_output=True)


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if done.returncode:
        raise Failed(f"{' '.join(command[:6])} … failed:\n{done.stdout[-3000:]}")


if __name__ == "__main__":
    # python -m lab.packages NAME…: what the tests need beside the lab
    ensure(*sys.argv[1:])
