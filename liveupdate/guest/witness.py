"""What a new server tells its console, once: its kernel, its own identity, its disks. Then nothing of it is left.

A sealed image carries it instead of a key: no way into the new server is needed to see that it is one.
"""

from __future__ import annotations

from .broom import Broom

UNIT = "liveupdate-witness.service"
SCRIPT = "usr/local/sbin/liveupdate-witness"
BEGIN, END = "-----BEGIN LIVEUPDATE WITNESS-----", "-----END LIVEUPDATE WITNESS-----"
_UNIT_FILE = f"etc/systemd/system/{UNIT}"
_WANTED = f"etc/systemd/system/multi-user.target.wants/{UNIT}"
_UNIT = f"""\
# Written by liveupdate into an image; a server that is made from it removes this at its first boot.
[Unit]
Description=Tell the console, once, who this new server is
After=cloud-init.service cloud-init-network.service ssh.service sshd.service
[Service]
ExecStart=/bin/sh /{SCRIPT}
[Install]
WantedBy=multi-user.target
"""
#: It is gone before it is heard: who hears it knows that nothing is left.
_SCRIPT = f"""\
for n in $(seq 150); do
  [ -s /etc/ssh/ssh_host_ed25519_key.pub ] && [ -s /etc/machine-id ] && break
  sleep 2
done
sleep 3
told=$(
  echo "kernel $(uname -r)"
  echo "machine $(sha256sum < /etc/machine-id | cut -c1-64)"
  echo "uuid $(cat /sys/class/dmi/id/product_uuid)"
  echo "key $(cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub)"
  for id in /dev/disk/by-id/*; do echo "disk $(basename "$id")"; done
  for id in /dev/disk/by-uuid/*; do echo "filesystem $(basename "$id")"; done
)
rm -f /{SCRIPT} /{_WANTED} /{_UNIT_FILE}
for n in 1 2 3; do
  printf '\\n%s\\n' "{BEGIN}" "$told" "{END}" > /dev/console
  sleep 3
done
"""


def install(broom: Broom) -> None:
    """Put it on a disk that is being sealed; it speaks at the next boot of that disk."""
    broom.make(SCRIPT, _SCRIPT)
    broom.make(_UNIT_FILE, _UNIT)
    broom.link(_WANTED, f"../{UNIT}")
