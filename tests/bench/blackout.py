"""The blackout of one workload, three ways, in one run: ours, a plain dump-copy-restore over ssh, and a reboot.

``OS_CLIENT_CONFIG_FILE=lab/state/clouds.yaml python -m tests.bench.blackout`` expects the lab up and takes about ten
minutes. The workload is the unit kv with 200 MB on a data volume; what counts is the longest pause of a client that
writes all the time over one connection. The floor is what no order of things can avoid: dump the last dirty pages,
copy them, restore.
"""

import subprocess
import sys
import time
from typing import Any

import openstack
from rich.console import Console
from rich.table import Table

from lab import settings
from lab.demo import jobs, servers, service
from lab.demo.__main__ import reboot
from lab.demo.clients import run_client
from lab.demo.servers import Guest
from lab.settings import PATIENCE

NAME, TWIN = "bench-blackout", "bench-twin"
MEGABYTES = 200
IMAGES = "/run/bench"


def ours(api: Any, guest: Guest) -> dict[str, float]:
    """A live update: the client's longest pause, the service's own figure, and the floor, in seconds."""
    client = run_client("kv", guest.address)
    job = jobs.create(api, guest.id, units=[{"name": "kv.service"}], keep_fallback_days=0)
    ended = jobs.until_ended(api, job)
    time.sleep(1)  # the client sees a little of the time after
    felt = client.stop()
    if ended["state"] != "succeeded" or felt.errors or felt.lost:
        raise RuntimeError(f"the update {ended['state']}: {ended['reason']}; client: {felt.errors}, {felt.lost} lost")
    told = jobs.report(api, job)
    return {
        "client": felt.longest_gap_ms / 1000,
        "service": told["blackout_ms"] / 1000,
        "floor": floor({entry["name"]: entry["ms"] for entry in told["timeline"]}) / 1000,
    }


def floor(at: dict[str, float]) -> float:
    """Milliseconds in which nothing but pages was waited for: dumped, sent (beyond the unmounting beside), restored."""
    return (
        (at["dumped"] - at["fenced"]) + (at["sent"] - at["unmounted"]) + (at["target restored"] - at["target mounted"])
    )


def plain(admin: Any, source: Guest, twin: Guest) -> float:
    """Dump, copy, restore with one ssh command after the other; the client's longest pause in seconds."""
    source.ssh("echo 30000 > /proc/sys/kernel/ns_last_pid; systemctl restart kv; sleep 1; redis-cli ping")
    source.ssh(f"redis-cli debug populate {MEGABYTES * 1000} filler 900")
    servers.wait_for(lambda: source.ssh("redis-cli ping", check=False) == "PONG", PATIENCE, "kv")
    pid = source.ssh("systemctl show -P MainPID kv")
    stdout = source.ssh(f"readlink /proc/{pid}/fd/1")
    external = f"--external 'unix[{stdout[8:-1]}]'" if stdout.startswith("socket:") else ""
    inherit = f"--inherit-fd 'fd[1]:{stdout}'" if external else ""
    common = "--tcp-established --file-locks --ext-unix-sk --shell-job --manage-cgroups=ignore"
    device = f"/dev/disk/by-id/virtio-{source.data_volume_id[:20]}"
    share(admin, source, twin)
    twin.ssh(f"mkdir -p {IMAGES} /data && mount -t tmpfs tmpfs {IMAGES}")
    source.ssh(
        f"mkdir -p {IMAGES} && mount -t tmpfs tmpfs {IMAGES}; mkdir -p /run/systemd/system/kv.service.d;"
        " printf '[Service]\\nRestart=no\\n' > /run/systemd/system/kv.service.d/bench.conf; systemctl daemon-reload"
    )
    client = run_client("kv", source.address)
    time.sleep(3)  # at work before it is interrupted
    twin.ssh(
        "nft add table inet bench; nft 'add chain inet bench input { type filter hook input priority -300; }';"
        f" nft add rule inet bench input ip daddr {source.address} drop"
    )
    source.ssh(f"criu dump -t {pid} -D {IMAGES} {common} {external} -o dump.log")
    copy(source, twin)
    source.ssh("umount /data")
    # in the background: it cuts off the way that the command came by
    source.ssh(f"(sleep 0.1; ip address del {source.address}/24 dev {nic(source)}) > /dev/null 2>&1 &")
    twin.ssh(f"blockdev --flushbufs {device}; mount {device} /data")
    there = nic(twin)
    twin.ssh(f"ip address add {source.address}/24 dev {there}; arping -q -U -c 1 -I {there} {source.address}")
    twin.ssh(f"criu restore -d -D {IMAGES} {common} {inherit} -o restore.log > /run/bench-out 2>&1 < /dev/null")
    twin.ssh("nft delete table inet bench")
    time.sleep(8)  # the client's TCP tries again at its own pace
    felt = client.stop()
    if felt.errors or felt.lost:
        raise RuntimeError(f"the plain way broke the client: {felt.errors}, {felt.lost} lost")
    return felt.longest_gap_ms / 1000


def nic(guest: Guest) -> str:
    return guest.ssh(f"ip -o -4 address show | grep -F ' {guest.address}/' | awk '{{print $2}}'").split()[0]


def share(admin: Any, source: Guest, twin: Guest) -> None:
    """The twin gets the data volume beside the source, and may use its address."""
    admin.compute.create_volume_attachment(twin.id, volume_id=source.data_volume_id)
    admin.network.update_port(twin.port_id, allowed_address_pairs=[{"ip_address": source.address}])
    device = f"/dev/disk/by-id/virtio-{source.data_volume_id[:20]}"
    servers.wait_for(lambda: twin.ssh(f"[ -b {device} ] && echo there", check=False) == "there", PATIENCE, device)
    time.sleep(3)  # Neutron puts address pairs in force some two seconds later


def copy(source: Guest, twin: Guest) -> None:
    """Through this machine, as an administrator would: tar over ssh into ssh."""
    reading = subprocess.Popen([*ssh(source), f"tar -C {IMAGES} -c ."], stdout=subprocess.PIPE)
    subprocess.run([*ssh(twin), f"tar -C {IMAGES} -x"], stdin=reading.stdout, check=True)
    if reading.wait():
        raise RuntimeError("tar on the source failed")


def ssh(guest: Guest) -> list[str]:
    known_hosts = settings.RUN / f"known_hosts-{guest.address}"
    known_hosts.write_text(f"{guest.address} {guest.host_key}\n")
    options = ["-q", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]
    key = str(settings.STATE / "id_ed25519")
    return ["ssh", *options, "-o", f"UserKnownHostsFile={known_hosts}", "-i", key, f"root@{guest.address}"]


def show(console: Console, found: dict[str, float]) -> None:
    table = Table("way", "seconds", "to ours", title=f"blackout of {MEGABYTES} MB", title_justify="left")
    for way, seconds in found.items():
        table.add_row(way, f"{seconds:.2f}", f"{seconds / found['live update, client']:.2f} x")
    console.print(table)


def main() -> int:
    console = Console()
    user, admin = openstack.connect(cloud="demo"), openstack.connect(cloud="admin")
    service.start()
    for name in (NAME, TWIN):
        servers.clean(user, name)
    try:
        guest = servers.boot(user, NAME, image="debian-12-pending")
        servers.start(guest, "kv", megabytes=MEGABYTES)
        mine = ours(service.api(user), guest)
        rebooted = reboot(user, guest, guest.address)
        server = user.compute.find_server(NAME, ignore_missing=False)
        twin = servers.boot(user, TWIN, data_type=None, hints={"different_host": server.id})
        found = {
            "floor: dump, copy, restore of the last dirty pages": mine["floor"],
            "live update, service": mine["service"],
            "live update, client": mine["client"],
            "dump-copy-restore over ssh, client": plain(admin, guest, twin),
            "reboot, client": rebooted["reboot_outage_ms"] / 1000,
        }
    finally:
        for name in (TWIN, NAME):
            servers.clean(user, name)
    show(console, found)
    return 0 if found["dump-copy-restore over ssh, client"] >= 2 * found["live update, client"] else 1


if __name__ == "__main__":
    sys.exit(main())
