"""What keeps a copy of this machine's disk from being a second such machine: a systemd generator.

On the machine with the original's SMBIOS UUID (Nova puts the server's id there) it does nothing. On any other it masks
the workload's units and data mounts, cloud-init and the network managers, lifts the PIDs above the original's, and puts
up one management address, on one MAC. Marks that the moves leave (``places``) turn this round: where the workload has
left, the original behaves like a copy; where it has come to stay, the copy starts it at a boot.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
from contextlib import suppress
from typing import Any

from . import nics, places, proc, units
from .errors import GuestError
from .external import run
from .move import MAC
from .places import GUARD

GENERATOR = "/etc/systemd/system-generators/liveupdate-guard"
CLOUD_INIT = "/etc/cloud/cloud.cfg.d/99-liveupdate.cfg"
LINK = "/etc/systemd/network/10-liveupdate-{}.link"
#: They would renew the identity, or bring up the original's addresses.
_ALWAYS = (
    "cloud-init-local.service", "cloud-init.service", "cloud-config.service", "cloud-final.service",
    "cloud-init-hotplugd.socket", "networking.service", "ifup@.service", "systemd-networkd.service",
    "systemd-networkd.socket", "systemd-networkd-wait-online.service", "NetworkManager.service",
    "NetworkManager-wait-online.service", "dhcpcd.service", "wickedd.service",
)  # fmt: skip
#: What runs now and then must not do so twice, nor take the package manager's lock while the copy is updated.
_PERIODIC = (
    "cron.service", "anacron.service", "atd.service", "apt-daily.timer", "apt-daily-upgrade.timer",
    "unattended-upgrades.service", "logrotate.timer", "man-db.timer", "fstrim.timer", "e2scrub_all.timer",
)  # fmt: skip
_GENERATOR = """\
#!/bin/sh
# Written by liveupdate for the time of an update. $2: units here win over all others.
G={guard}
read -r here < /sys/class/dmi/id/product_uuid
read -r original < $G/original
here=$(echo "$here" | tr A-F a-f)
[ "$here" = "$original" ] && [ ! -e $G/away ] && exit 0
mask() {{ while read -r unit; do ln -sf /dev/null "$1/$unit"; done < "$2"; }}
mask "$2" $G/always
[ -e $G/here ] || mask "$2" $G/periodic
[ -e $G/here ] || [ -e {expecting} ] || mask "$2" $G/units
cat > "$2/liveupdate-guard.service" <<EOF
[Unit]
Description=The one address of a machine that is being updated
DefaultDependencies=no
After=systemd-udevd.service
Before=network.target network-online.target ssh.service
Conflicts=shutdown.target
Before=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh $G/network $here
EOF
mkdir -p "$2/sysinit.target.wants" "$2/network.target.wants"
ln -sf ../liveupdate-guard.service "$2/network.target.wants/liveupdate-guard.service"
ln -sf ../liveupdate-guard.service "$2/sysinit.target.wants/liveupdate-guard.service"
/bin/sh $G/pids
exit 0
"""
_PIDS = """\
read -r last < /proc/sys/kernel/ns_last_pid
[ "$last" -ge {base} ] && exit 0
echo 4194304 > /proc/sys/kernel/pid_max
echo {base} > /proc/sys/kernel/ns_last_pid
"""
_NETWORK = """\
# $1: the UUID of this machine
G={guard}
/bin/sh $G/pids
put() {{ # mac address/prefix mtu gateway
  for n in $(seq 600); do
    for i in /sys/class/net/*; do
      if [ "$(cat $i/address)" = "$1" ]; then
        i=${{i##*/}}
        ip link set "$i" mtu "$3" up
        ip address replace "$2" dev "$i"
        [ "$4" = - ] || ip route replace default via "$4" dev "$i"
        while read -r server; do
          [ -S /run/dbus/system_bus_socket ] && resolvectl dns "$i" $server
        done < $G/dns 2>/dev/null
        return
      fi
    done
    sleep 0.1
  done
}}
while read -r whose rest; do
  if [ "$whose" = "$1" ] || {{ [ "$whose" = copy ] && ! grep -q "^$1 " $G/addresses; }}; then put $rest; fi
done < $G/addresses
if [ -e $G/here ]; then while read -r line; do put $line; done < $G/here; fi
"""


def guard_install(
    original_uuid: str,
    management: dict[str, Any],
    workload: list[str],
    mounts: list[str],
    original_management: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Install it: {"pid_base", "masked"}.

    ``management``: {mac, address, prefix, gateway, mtu} of the copy; ``original_management``: of this machine, for a
    boot after its workload has left. Raises GuestError(guest.bad-guard).
    """
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", original_uuid):
        raise GuestError("guest.bad-guard", f"UUID {original_uuid[:50]!r}")
    addresses = [f"copy {_line(management)}"]
    if original_management:
        addresses.append(f"{original_uuid} {_line(original_management)}")
    masked = sorted({name for unit in workload for name in _with_triggers(unit)} | set(map(_mount_unit, mounts)))
    base = _pid_base()
    shutil.rmtree(GUARD, ignore_errors=True)
    os.makedirs(GUARD, mode=0o700)
    for name, content in (
        ("original", original_uuid),
        ("always", "\n".join(_ALWAYS)),
        ("periodic", "\n".join(_PERIODIC)),
        ("units", "\n".join(masked)),
        ("addresses", "\n".join(addresses)),
        ("names", "\n".join(f"{mac} {name}" for mac, name in nics.names().items())),
        ("dns", " ".join(_name_servers())),
        ("pids", _PIDS.format(base=base)),
        ("network", _NETWORK.format(guard=GUARD)),
    ):
        places.write_private(f"{GUARD}/{name}", content.rstrip("\n") + "\n")
    os.makedirs(os.path.dirname(GENERATOR), exist_ok=True)
    part = f"{GENERATOR}.part"
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o700), "w", encoding="ascii") as file:
        file.write(_GENERATOR.format(guard=GUARD, expecting=places.EXPECTING))
    # a generator that is there is one that is whole
    os.replace(part, GENERATOR)
    return {"pid_base": base, "masked": masked}


def guard_remove() -> dict[str, Any]:
    """Take it away: {"was": "original" | "copy" | "absent"}; from here a boot is an ordinary one. Idempotent.

    A copy keeps what it is: cloud-init goes on with what it knows, and the interfaces of the original keep their names.
    """
    if not os.path.isdir(GUARD):
        return {"was": "absent"}
    with open(f"{GUARD}/original", encoding="ascii") as file:
        original = file.read().strip()
    with open("/sys/class/dmi/id/product_uuid", encoding="ascii") as file:
        copy = file.read().strip().lower() != original
    if copy:
        _keep_identity()
    with suppress(FileNotFoundError):
        os.unlink(GENERATOR)
    shutil.rmtree(GUARD)
    units.reload()
    if copy:
        _start_periodic()
    return {"was": "copy" if copy else "original"}


def _start_periodic() -> None:
    """What a boot would have started, had it not been masked."""
    for name in _PERIODIC:
        if run(["systemctl", "is-enabled", "--quiet", name], check=False).ok:
            run(["systemctl", "start", "--no-block", name], check=False)


def _keep_identity() -> None:
    if os.path.isdir(os.path.dirname(CLOUD_INIT)):
        with open(CLOUD_INIT, "w", encoding="ascii") as file:
            file.write("# liveupdate: this server took the place of another one, and is not a new instance\n")
            file.write("manual_cache_clean: true\n")
    with open(f"{GUARD}/names", encoding="utf-8") as file:
        known = dict(line.split() for line in file if line.strip())
    os.makedirs(os.path.dirname(LINK), exist_ok=True)
    for mac, name in known.items():
        with open(LINK.format(mac.replace(":", "")), "w", encoding="ascii") as file:
            file.write(f"[Match]\nMACAddress={mac}\n[Link]\nName={name}\n")


def _line(address: dict[str, Any]) -> str:
    mac = str(address["mac"]).lower()
    if not MAC.fullmatch(mac):
        raise GuestError("guest.bad-guard", f"MAC address {mac[:30]!r}")
    gateway = str(ipaddress.ip_address(address["gateway"])) if address.get("gateway") else "-"
    place = f"{ipaddress.ip_address(address['address'])}/{int(address['prefix'])}"
    return f"{mac} {place} {int(address.get('mtu') or 1500)} {gateway}"


def _with_triggers(name: str) -> list[str]:
    """The unit and whatever would start it: its socket, timer or path."""
    [shown] = units.show(units.full_name(name))
    return [units.full_name(name), *shown.properties.get("TriggeredBy", "").split()]


def _mount_unit(where: str) -> str:
    return run(["systemd-escape", "--path", "--suffix=mount", "--", where]).text


def _pid_base() -> int:
    """Above everything that lives here now, with room for what will; each generation higher, then low again."""
    highest = max(proc.pids())
    return highest + 5000 if highest < 4_000_000 else 10_000


def _name_servers() -> list[str]:
    found = []
    for path in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            found = [line.split()[1] for line in file if re.match(r"nameserver\s+[0-9a-fA-F.:]+\s*$", line)]
        if found:
            break
    return found
