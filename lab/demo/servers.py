"""Servers with a workload, as a user of the cloud would make them: for the demo and the tests."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lab import settings

_HOST_KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_ED25519 = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{68}")

T = TypeVar("T")


@dataclass(frozen=True)
class Guest:
    """A running server: ids in the cloud, and how to reach it."""

    id: str
    name: str
    address: str
    port_id: str
    boot_volume_id: str
    data_volume_id: str
    host_key: str

    def ssh(self, command: str, *, stdin: str = "", timeout: float = 180, check: bool = True) -> str:
        """Run a shell command as root; the host key is the one the console told.

        Raises RuntimeError with the end of its words if it fails and ``check``.
        """
        return ssh(self.address, self.host_key, command, stdin=stdin, timeout=timeout, check=check)


def ssh(address: str, host_key: str, command: str, *, stdin: str = "", timeout: float = 180, check: bool = True) -> str:
    known_hosts = settings.STATE / "run" / f"known_hosts-{address}"
    known_hosts.write_text(f"{address} {host_key}\n")
    argv = ["ssh", "-F", "none", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    argv += ["-o", "StrictHostKeyChecking=yes", "-o", f"UserKnownHostsFile={known_hosts}"]
    argv += ["-i", str(settings.STATE / "id_ed25519"), f"root@{address}", command]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout)
    if check and done.returncode:
        raise RuntimeError(f"{address}: {command[:200]} ended with {done.returncode}: {done.stderr[-500:]}")
    return done.stdout.strip()


def boot(
    cloud: Any,
    name: str,
    *,
    image: str = "debian-12",
    flavor: str = "guest",
    data_type: str | None = "ceph-multiattach",
    hints: dict[str, str] | None = None,
) -> Guest:
    """Create boot volume, data volume, port and server in the cloud's project, and wait until ssh answers.

    Raises TimeoutError, or openstack.exceptions.SDKException if Nova or Cinder gives up.
    """
    network = cloud.network.find_network("lab", ignore_missing=False)
    port = cloud.network.create_port(network_id=network.id, name=f"{name}-port")
    image_id = cloud.image.find_image(image, ignore_missing=False).id
    root = cloud.block_storage.create_volume(name=f"{name}-root", size=3, image_id=image_id, volume_type="ceph")
    data = data_type and cloud.block_storage.create_volume(name=f"{name}-data", size=1, volume_type=data_type)
    for volume in filter(None, (root, data)):
        cloud.block_storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=180)
    server = cloud.compute.create_server(
        name=name,
        flavor_id=cloud.compute.find_flavor(flavor, ignore_missing=False).id,
        networks=[{"port": port.id}],
        key_name="demo",
        config_drive=True,
        scheduler_hints=hints or {},
        block_device_mapping=[
            {
                "uuid": root.id,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0,
                "delete_on_termination": True,
            }
        ],
    )
    cloud.compute.wait_for_server(server, failures=["ERROR"], interval=0.5, wait=180)
    address = port.fixed_ips[0]["ip_address"]
    host_key = wait_for(lambda: host_key_of(cloud, server.id), 600, f"{name}: host key on its console")
    wait_for(lambda: answers(address, host_key), 120, f"{name}: ssh")
    guest = Guest(server.id, name, address, port.id, root.id, data.id if data else "", host_key)
    if data:
        _attach(cloud, guest)
    return guest


def _attach(cloud: Any, guest: Guest) -> None:
    cloud.compute.create_volume_attachment(guest.id, volume_id=guest.data_volume_id)
    cloud.block_storage.wait_for_status(
        cloud.block_storage.get_volume(guest.data_volume_id), "in-use", ["error"], interval=0.5, wait=90
    )
    device = f"/dev/disk/by-id/virtio-{guest.data_volume_id[:20]}"
    wait_for(lambda: guest.ssh(f"[ -b {device} ] && echo there", check=False) == "there", 60, f"{guest.name}: {device}")
    guest.ssh(f"mkfs.ext4 -q -L data {device} && udevadm settle")


def start(guest: Guest, *workloads: str, megabytes: int = 0) -> None:
    """Enable and start units of the image; fill kv with ``megabytes`` of data."""
    units = " ".join(f"{w}.service" for w in workloads)
    guest.ssh(f"systemctl unmask {units} && systemctl enable --now {units} && systemctl is-active {units}")
    if megabytes:
        wait_for(lambda: guest.ssh("redis-cli ping", check=False) == "PONG", 60, f"{guest.name}: kv")
        guest.ssh(f"redis-cli debug populate {megabytes * 1000} filler 900")


def host_key_of(cloud: Any, server_id: str) -> str:
    """The ed25519 host key that cloud-init printed on the server's console; "" if it is not there (yet)."""
    console = cloud.compute.get_server_console_output(server_id).get("output") or ""
    block = _HOST_KEYS.search(console)
    key = _ED25519.search(block.group(1)) if block else None
    return key.group(0) if key else ""


def answers(address: str, host_key: str) -> bool:
    try:
        return ssh(address, host_key, "echo yes", timeout=10, check=False) == "yes"
    except subprocess.TimeoutExpired:
        return False


def wait_for(question: Callable[[], T], seconds: float, what: str) -> T:
    end = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.5)
    return answer


def clean(cloud: Any, name: str) -> None:
    """Delete the server that ``boot`` made under this name, or what it had made of it so far, and see it gone."""
    for server in cloud.compute.servers(name=f"^{name}$"):
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, interval=0.5, wait=120)
    for port in cloud.network.ports(name=f"{name}-port"):
        cloud.network.delete_port(port)
    for part in ("root", "data"):
        for volume in cloud.block_storage.volumes(name=f"{name}-{part}"):
            cloud.block_storage.delete_volume(volume)
            cloud.block_storage.wait_for_delete(volume, interval=0.5, wait=60)


def clean_fallbacks(cloud: Any) -> None:
    """Delete what earlier updates in this project have kept to return to: snapshots, then old boot volumes."""
    kept = re.compile(r"liveupdate-[0-9a-f]{8}-fallback(-.*)?")
    for snapshot in cloud.block_storage.snapshots():
        if kept.fullmatch(snapshot.name):
            cloud.block_storage.delete_snapshot(snapshot)
            cloud.block_storage.wait_for_delete(snapshot, interval=0.5, wait=60)
    for volume in cloud.block_storage.volumes():
        if kept.fullmatch(volume.name):
            cloud.block_storage.delete_volume(volume)
            cloud.block_storage.wait_for_delete(volume, interval=0.5, wait=60)


@contextmanager
def running(cloud: Any, name: str, *workloads: str, megabytes: int = 0) -> Iterator[Guest]:
    """A server with its workload running; gone afterwards, also when it never came up."""
    clean(cloud, name)
    try:
        guest = boot(cloud, name)
        start(guest, *workloads, megabytes=megabytes)
        yield guest
    finally:
        clean(cloud, name)
