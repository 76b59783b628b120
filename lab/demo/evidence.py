"""What a failed scenario leaves to look at: whoever reads a log of it has no machine to ask any more."""

import subprocess
import sys
from typing import Any

from lab import settings

_TAPS = "for n in $(ip netns list | cut -d' ' -f1); do ip -n $n -br link | grep '^tap' | sed \"s/^/$n /\"; done"


def gather(admin: Any) -> str:
    """The machine, the servers and the end of their consoles, their hosts' taps, the service's last complaints."""
    status = [line for line in _said(sys.executable, "-m", "lab", "status").splitlines() if "   up   " not in line]
    parts = [_said("df", "-h", str(settings.STATE)), _said("free", "-m"), *status]
    for server in admin.compute.servers(all_projects=True):
        alive = subprocess.run(["pgrep", "-f", f"qemu-system.*-uuid {server.id}"], capture_output=True, text=True)
        parts.append(
            f"{server.id} {server.name}: {server.status}, task {server.task_state}, on {server.hypervisor_hostname},"
            f" QEMU {alive.stdout.split() or 'not running'}, {server.addresses}"
        )
        if alive.stdout:
            console = admin.compute.get_server_console_output(server.id, length=8).get("output") or ""
            parts += [f"    {line[:200]}" for line in console.splitlines() if line.strip()]
    parts.append(_said("sh", "-c", _TAPS))
    log = (settings.STATE / "log" / "liveupdate.log").read_text(errors="replace").splitlines()
    parts += [
        line[:300] for line in log if (" WARNING " in line or " ERROR " in line) and "keystonemiddleware" not in line
    ][-15:]
    return "\n".join(parts)


def _said(*words: str) -> str:
    return subprocess.run(words, cwd=settings.CHECKOUT, capture_output=True, text=True).stdout
