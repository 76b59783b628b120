"""A host's own network, mount and host-name namespaces on this machine.

A small process holds them open; everything of the host enters through it. Whatever runs in the host's network namespace
belongs to the lab, so sweep() may end it even when nobody remembers its pid.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab import acceleration, processes, settings
from lab.processes import Process

#: What programs of the host find in the place of the machine's own folders.
PRIVATE = ("etc/libvirt", "run/libvirt", "var/cache/libvirt", "var/lib/libvirt", "var/log/libvirt")
ACCOUNTS = {
    "passwd": "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n",
    "group": "libvirt-qemu:x:64055:\n",
}
INSTANCES = settings.STATE / "instances"


@dataclass(frozen=True)
class Host:
    """A real host. Its veth pairs: lab<number>m ↔ m0 (management), lab<number>d ↔ d0 (data, a port of its switch)."""

    number: int

    @property
    def name(self) -> str:
        return f"kvm{self.number}"

    @property
    def address(self) -> str:
        return settings.host_address(self.number)

    @property
    def home(self) -> Path:
        return settings.STATE / self.name

    @property
    def network(self) -> str:
        return f"lab-{self.name}"

    @property
    def holder(self) -> str:
        """Name of the process that keeps the namespaces open."""
        return f"{self.name}-namespaces"

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs argv inside; the namespaces must be up."""
        return ["nsenter", f"--target={processes.pid(self.holder)}", "--net", "--mount", "--uts", "--", *argv]


HOSTS = (Host(1), Host(2))


def up(host: Host) -> None:
    """Namespaces, mounts and links of the host; nothing to do where they are alive."""
    if processes.alive(host.holder):
        return
    down(host)  # what an unclean death left
    _run("ip", "netns", "add", host.network)
    for kind, bridge in (("m", settings.MANAGEMENT_BRIDGE), ("d", settings.DATA_BRIDGE)):
        outside, inside = f"lab{host.number}{kind}", f"{kind}0"
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", host.network)
        # the switch in userspace reads packets as they are: checksums must be in them
        _run("ethtool", "--offload", outside, "tx", "off")
        _run("ip", "link", "set", outside, "master", bridge, "up")
    processes.start(holder(host))
    processes.wait_ready(holder(host))


def down(host: Host) -> None:
    """End everything inside and remove the namespaces; the links go with them."""
    if Path("/run/netns", host.network).exists():
        sweep(host)
        _run("ip", "netns", "delete", host.network)
    for kind in "md":
        subprocess.run(["ip", "link", "delete", f"lab{host.number}{kind}"], capture_output=True)


def holder(host: Host) -> Process:
    return Process(
        name=host.holder,
        argv=[
            *("ip", "netns", "exec", host.network, "unshare", "--mount", "--uts", "--propagation=private"),
            *(sys.executable, "-m", "lab.namespaces", str(host.number)),
        ],
        cwd=settings.CHECKOUT,
        ready=lambda: Path(f"/proc/{processes.pid(host.holder)}/comm").read_text().strip() == "sleep",
    )


def sweep(host: Host) -> None:
    """End every process in the host's network namespace: guests, helpers of agents, what outlived its parent."""
    for end, seconds in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
        for pid in _inside(host):
            _signal(pid, end)
        deadline = time.monotonic() + seconds
        while _inside(host) and time.monotonic() < deadline:
            time.sleep(0.05)


def _inside(host: Host) -> list[int]:
    return [int(pid) for pid in _run("ip", "netns", "pids", host.network).split()]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _furnish(host: Host) -> None:
    """Make this process' own namespaces into the host; runs inside them."""
    _run("hostname", host.name)
    for folder in PRIVATE:
        _bind(host.home / folder, Path("/", folder))
    _bind(host.home / "instances", INSTANCES)  # without shared storage, yet under one path: guests can migrate
    hosts = "".join(f"{other.address} {other.name}\n" for other in HOSTS)
    _bind_file(host, "hosts", f"127.0.0.1 localhost\n{hosts}")
    _bind_file(host, "resolv.conf", "options timeout:1 attempts:1\n")  # no DNS here: fail a lookup at once
    # libvirtd insists on this account, which only the package that also starts the machine's own libvirtd would make
    for name in ("passwd", "group"):
        _bind_file(host, name, _with_account(Path("/etc", name).read_text(), ACCOUNTS[name]))
    if acceleration.detect() != "kvm":
        _hide_kvm(host)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "set", "m0", "up")
    _run("ip", "address", "add", f"{host.address}/24", "dev", "m0")
    _run("ip", "route", "add", "default", "via", settings.MANAGEMENT_ADDRESS)
    _run("ethtool", "--offload", "d0", "tx", "off", "rx", "off")
    _run("ip", "link", "set", "d0", "up", "promisc", "on")


def _bind(source: Path, target: Path) -> None:
    source.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(source), str(target))


def _bind_file(host: Host, name: str, text: str) -> None:
    source = host.home / name
    source.write_text(text)
    _run("mount", "--bind", str(source), f"/etc/{name}")


def _with_account(accounts: str, account: str) -> str:
    name = account.split(":", 1)[0]
    return accounts if f"\n{name}:" in accounts else accounts + account


def _hide_kvm(host: Host) -> None:
    """A /dev without kvm: where the device exists but guests hang under it, libvirt and QEMU must not find it."""
    own = host.home / "dev"
    own.mkdir(exist_ok=True)
    _run("mount", "--types=tmpfs", "--options=mode=755", "none", str(own))
    for name in ("full", "net/tun", "null", "ptmx", "random", "tty", "urandom", "zero"):
        device = Path("/dev", name)
        (own / name).parent.mkdir(exist_ok=True)
        os.mknod(own / name, device.stat().st_mode, device.stat().st_rdev)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        (own / name).symlink_to(f"/proc/self/{target}")
    for name in ("pts", "shm"):
        (own / name).mkdir()
        _run("mount", "--bind", f"/dev/{name}", str(own / name))
    _run("mount", "--rbind", str(own), "/dev")


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, text=True, capture_output=True).stdout


if __name__ == "__main__":
    _furnish(HOSTS[int(sys.argv[1]) - 1])
    os.execvp("sleep", ["sleep", "infinity"])  # noqa: S606 - no shell on purpose
