"""Servers with a workload, as a user of the cloud would make them: for the demo and the tests."""

import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from lab import settings
from lab.settings import PATIENCE

_HOST_KEYS = re.compile(r"-----BEGIN SSH HOST KEY KEYS-----(.*?)-----END SSH HOST KEY KEYS-----", re.DOTALL)
_ED25519 = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]{68}")

T = TypeVar("T")


@dataclass(frozen=True)
class Guest:
    """A running server: ids in the cloud ("" for a data volume that it does without), and how to reach it.

    ``kernel`` is the release that it ran at first.
    """

    id: str
    name: str
    address: str
    port_id: str
    data_volume_id: str
    host_key: str
    kernel: str
    #: Mounted at /srv/1, /srv/2, …
    more_volume_ids: tuple[str, ...] = ()

    def ssh(self, command: str, *, stdin: str = "", timeout: float = 300, check: bool = True) -> str:
        """Run a shell command as root; the host key is the one the console told.

        Raises RuntimeError with the end of its words if it fails and ``check``.
        """
        return ssh(self.address, self.host_key, command, stdin=stdin, timeout=timeout, check=check)


def ssh(address: str, host_key: str, command: str, *, stdin: str = "", timeout: float = 300, check: bool = True) -> str:
    known_hosts = settings.STATE / "run" / f"known_hosts-{address}"
    known_hosts.write_text(f"{address} {host_key}\n")
    argv = ["ssh", "-F", "none", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15"]
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
    root_type: str | None = "ceph",
    data_type: str | None = "ceph-multiattach",
    more_types: Sequence[str] = (),
    hints: dict[str, str] | None = None,
) -> Guest:
    """Create boot volume, data volumes, port and server in the cloud's project, and wait until ssh answers.

    The types are those of the volumes; without ``root_type`` the root disk lies on the server's host. Raises
    TimeoutError, or openstack.exceptions.SDKException if Nova or Cinder gives up.
    """
    network = cloud.network.find_network("lab", ignore_missing=False)
    port = cloud.network.create_port(network_id=network.id, name=f"{name}-port")
    image_id = cloud.image.find_image(image, ignore_missing=False).id
    create = cloud.block_storage.create_volume
    root = root_type and create(name=f"{name}-root", size=3, image_id=image_id, volume_type=root_type)
    data = data_type and create(name=f"{name}-data", size=1, volume_type=data_type)
    more = [create(name=f"{name}-data-{n}", size=1, volume_type=kind) for n, kind in enumerate(more_types, 1)]
    for volume in filter(None, (root, data, *more)):
        cloud.block_storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=PATIENCE)
    boot_volume = {
        "uuid": root and root.id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
        "delete_on_termination": True,
    }
    server = cloud.compute.create_server(
        name=name,
        flavor_id=cloud.compute.find_flavor("guest" if root else "guest-local", ignore_missing=False).id,
        networks=[{"port": port.id}],
        key_name="demo",
        config_drive=True,
        scheduler_hints=hints or {},
        **({"block_device_mapping": [boot_volume]} if root else {"image_id": image_id}),
    )
    cloud.compute.wait_for_server(server, failures=["ERROR"], interval=0.5, wait=PATIENCE)
    address = port.fixed_ips[0]["ip_address"]
    host_key = wait_for(lambda: host_key_of(cloud, server.id), PATIENCE, f"{name}: host key on its console")
    wait_for(lambda: answers(address, host_key), PATIENCE, f"{name}: ssh")
    kernel, data_id = ssh(address, host_key, "uname -r"), data.id if data else ""
    guest = Guest(server.id, name, address, port.id, data_id, host_key, kernel, tuple(volume.id for volume in more))
    if data:
        guest.ssh(f"mkfs.ext4 -q -L data {_attach(cloud, guest, data.id)} && udevadm settle")
    for number, volume in enumerate(more, 1):
        device, where = _attach(cloud, guest, volume.id), f"/srv/{number}"
        guest.ssh(
            f"mkfs.ext4 -q {device} && mkdir -p {where} && echo '{device} {where} ext4 nofail 0 2' >> /etc/fstab"
            f" && systemctl daemon-reload && mount {where}"
        )
    return guest


def _attach(cloud: Any, guest: Guest, volume_id: str) -> str:
    """Its device in the guest, by its stable name."""
    cloud.compute.create_volume_attachment(guest.id, volume_id=volume_id)
    cloud.block_storage.wait_for_status(
        cloud.block_storage.get_volume(volume_id), "in-use", ["error"], interval=0.5, wait=PATIENCE
    )
    device = f"/dev/disk/by-id/virtio-{volume_id[:20]}"
    wait_for(
        lambda: guest.ssh(f"[ -b {device} ] && echo there", check=False) == "there", PATIENCE, f"{guest.name}: {device}"
    )
    return device


def set_apart(cloud: Any, guest: Guest, kind: str = "ceph") -> str:
    """Give /var a volume of its own, as an installer might have, and boot again: the volume's id."""
    volume = cloud.block_storage.create_volume(name=f"{guest.name}-var", size=2, volume_type=kind)
    cloud.block_storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=PATIENCE)
    device, before = _attach(cloud, guest, volume.id), boot_id(guest)
    guest.ssh(
        f"mkfs.ext4 -q -L var {device} && mount {device} /mnt && cp -ax /var/. /mnt/ && umount /mnt"
        " && echo 'LABEL=var /var ext4 defaults 0 2' >> /etc/fstab && sync"
    )
    # the console tells it at the first boot only
    cloud.compute.set_server_metadata(guest.id, **{"liveupdate:host_key": guest.host_key})
    cloud.compute.reboot_server(guest.id, "HARD")
    wait_for(lambda: boot_id(guest) not in ("", before), PATIENCE, f"{guest.name}: its second boot")
    return str(volume.id)


def boot_id(guest: Guest) -> str:
    """ "" while it does not answer."""
    try:
        return guest.ssh("cat /proc/sys/kernel/random/boot_id", timeout=30, check=False)
    except subprocess.TimeoutExpired:
        return ""


def start(guest: Guest, *workloads: str, megabytes: int = 0) -> None:
    """Enable and start units of the image; fill kv with ``megabytes`` of data."""
    units = " ".join(f"{w}.service" for w in workloads)
    guest.ssh(f"systemctl unmask {units} && systemctl enable --now {units} && systemctl is-active {units}")
    if megabytes:
        wait_for(lambda: guest.ssh("redis-cli ping", check=False) == "PONG", PATIENCE, f"{guest.name}: kv")
        guest.ssh(f"redis-cli debug populate {megabytes * 1000} filler 900")


def host_key_of(cloud: Any, server_id: str) -> str:
    """The ed25519 host key that cloud-init printed on the server's console; "" if it is not there (yet)."""
    console = cloud.compute.get_server_console_output(server_id).get("output") or ""
    block = _HOST_KEYS.search(console)
    key = _ED25519.search(block.group(1)) if block else None
    return key.group(0) if key else ""


def answers(address: str, host_key: str) -> bool:
    try:
        return ssh(address, host_key, "echo yes", timeout=30, check=False) == "yes"
    except subprocess.TimeoutExpired:
        return False


def id_of(cloud: Any, name: str) -> str:
    """Of the one server of this name in the cloud's project: after an update that is another one."""
    return str(cloud.compute.find_server(name, ignore_missing=False).id)


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
        cloud.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)
    for port in cloud.network.ports(name=f"{name}-port"):
        cloud.network.delete_port(port)
    ours = re.compile(rf"{re.escape(name)}-(root|var|data(-\d+)?)")
    for volume in cloud.block_storage.volumes():
        if ours.fullmatch(volume.name):
            cloud.block_storage.delete_volume(volume)
            cloud.block_storage.wait_for_delete(volume, interval=0.5, wait=PATIENCE)


def clean_fallbacks(cloud: Any) -> None:
    """Delete what earlier updates in this project have kept to return to: copies, then old boot volumes."""
    kept = re.compile(r"liveupdate-[0-9a-f]{8}-fallback(-.*)?")
    for image in cloud.image.images(visibility="private"):
        if kept.fullmatch(image.name):
            cloud.image.delete_image(image)
    for snapshot in cloud.block_storage.snapshots():
        if kept.fullmatch(snapshot.name):
            cloud.block_storage.delete_snapshot(snapshot)
            cloud.block_storage.wait_for_delete(snapshot, interval=0.5, wait=PATIENCE)
    for volume in cloud.block_storage.volumes():
        if kept.fullmatch(volume.name):
            cloud.block_storage.delete_volume(volume)
            cloud.block_storage.wait_for_delete(volume, interval=0.5, wait=PATIENCE)


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
