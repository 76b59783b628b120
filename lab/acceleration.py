"""Whether guests can run under KVM here: found out by booting one, for a device that is there may still not work."""

import os
import subprocess
import time
from functools import cache
from pathlib import Path

from lab import settings

DEVICE = Path("/dev/kvm")
DISK = settings.STATE / "image/debian-12.raw"
FOUND = settings.STATE / "cache/acceleration"
#: Seconds until a guest under KVM asks for a login; usually it takes a third of it.
PATIENCE = 40.0


@cache
def detect() -> str:
    """ "kvm" or "qemu" (emulation). Found once; needs the guest image. Remove state/cache to have it found again."""
    if not FOUND.exists():
        FOUND.parent.mkdir(parents=True, exist_ok=True)
        usable = os.access(DEVICE, os.R_OK | os.W_OK) and _boots()
        FOUND.write_text("kvm" if usable else "qemu")
    return FOUND.read_text()


def _boots() -> bool:
    console = FOUND.with_name("acceleration-console")
    command = [
        *("qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "512", "-nodefaults", "-display", "none"),
        *("-drive", f"file={DISK},format=raw,if=virtio,snapshot=on", "-serial", f"file:{console}"),
    ]
    guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE
        while guest.poll() is None and time.monotonic() < deadline:
            if console.exists() and b"login:" in console.read_bytes():
                return True
            time.sleep(0.2)
        return False
    finally:
        guest.kill()
        guest.wait()
        console.unlink(missing_ok=True)
