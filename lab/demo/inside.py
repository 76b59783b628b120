"""A volume that a guest attaches by itself, as its owner would: over iSCSI on both portals, with multipath."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab.demo.servers import Guest, wait_for
from lab.settings import PATIENCE

#: $1 target, $2 user; portals and secret on standard input. Ends with the map mounted at /data.
_CONNECT = """set -eu
read -r portals; read -r secret
printf '%s\\n' 'defaults {' 'find_multipaths yes' 'user_friendly_names yes' '}' > /etc/multipath.conf
systemctl enable --now multipathd.service 2>/dev/null
for portal in $portals; do
  iscsiadm -m node -T "$1" -p "$portal" -o new >/dev/null
  set_() { iscsiadm -m node -T "$target" -p "$portal" -o update -n "$1" -v "$2"; }
  target=$1
  set_ node.startup automatic
  set_ node.session.auth.authmethod CHAP
  set_ node.session.auth.username "$2"
  set_ node.session.auth.password "$secret"
  set_ node.session.timeo.replacement_timeout 5
  set_ 'node.conn[0].timeo.noop_out_interval' 2
  set_ 'node.conn[0].timeo.noop_out_timeout' 2
  iscsiadm -m node -T "$1" -p "$portal" --login >/dev/null
done
for n in $(seq 100); do
  map=$(ls /dev/disk/by-id/dm-uuid-mpath-* 2>/dev/null | head -n 1)
  [ -n "$map" ] && [ "$(multipathd show paths raw format '%d %t %T' | grep -c 'active ready')" = 2 ] && break
  sleep 0.5
done
# a new volume reads as zeros; tgtd writes them one sector at a time, and everything else waits meanwhile
mkfs.ext4 -q -E nodiscard,assume_storage_prezeroed=1 -L data "$map"
udevadm settle
systemctl start data.mount
"""


@contextmanager
def attached(cloud: Any, guest: Guest) -> Iterator[str]:
    """The volume's id; mounted at /data in the guest, over two paths. Gone afterwards: leave when the server is."""
    storage = cloud.block_storage
    volume = storage.create_volume(name=f"{guest.name}-inside", size=1, volume_type="iscsi")
    storage.wait_for_status(volume, "available", ["error"], interval=0.5, wait=PATIENCE)
    try:
        _attach(cloud, guest, volume.id)
        yield volume.id
    finally:
        for attachment in storage.attachments(volume_id=volume.id):
            storage.delete_attachment(attachment.id)
        storage.wait_for_status(storage.get_volume(volume.id), "available", ["error"], interval=0.5, wait=PATIENCE)
        storage.delete_volume(volume)
        storage.wait_for_delete(volume, interval=0.5, wait=PATIENCE)


def good_paths(guest: Guest) -> int:
    """How many paths of the guest's maps work, by multipathd's word."""
    return guest.ssh("multipathd show paths raw format '%d %t %T'").count("active ready")


def _attach(cloud: Any, guest: Guest, volume_id: str) -> None:
    name = guest.ssh("/lib/open-iscsi/startup-checks.sh && sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi")
    connector = {"initiator": name, "multipath": True, "host": guest.name, "ip": guest.address}
    connector |= {"platform": "x86_64", "os_type": "linux"}
    made = cloud.block_storage.create_attachment(volume_id, connector=connector, instance=guest.id, mode="rw")
    cloud.block_storage.complete_attachment(made)
    told = made.connection_info
    # the script reads the secret from standard input
    guest.ssh(
        shlex.join(["sh", "-c", _CONNECT, "sh", told["target_iqn"], told["auth_username"]]),
        stdin=f"{' '.join(told['target_portals'])}\n{told['auth_password']}\n",
    )
    wait_for(lambda: guest.ssh("findmnt -n -o SOURCE /data", check=False), PATIENCE, f"{guest.name}: /data")
