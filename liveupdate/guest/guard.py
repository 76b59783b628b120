"""What keeps a copy of this machine's disk from being a second such machine: a systemd generator.

On the machine with the original's SMBIOS UUID (Nova puts the server's id there) it does nothing. On any other it masks
the workload's units and data mounts, cloud-init and the network managers, lifts the PIDs above the original's, and puts
up one management address, on one MAC; disks that both machines have are read-only there from the moment they come.
Marks that the moves leave (``places``) turn this round: where the workload has left, the original behaves like a copy;
where it has come to stay, the copy starts it at a boot.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from . import generator, nics, places, proc, units
from .errors import GuestError
from .external import run
from .move import MAC
from .places import GUARD

GENERATOR = "/etc/systemd/system-generators/liveupdate-guard"
CLOUD_INIT = "/etc/cloud/cloud.cfg.d/99-liveupdate.cfg"
RULE = "/etc/udev/rules.d/liveupdate-guard.rules"
LINK = "/etc/systemd/network/10-liveupdate-{}.link"
SERIAL = re.compile(r"[A-Za-z0-9_-]{8,64}")
#: They would renew the identity, or bring up the original's addresses.
_ALWAYS = (
    "cloud-init-local.service", "cloud-init-main.service", "cloud-init.service", "cloud-init-network.service",
    "cloud-config.service", "cloud-final.service", "cloud-init-hotplugd.service", "cloud-init-hotplugd.socket",
    "networking.service", "ifup@.service", "network.service", "systemd-networkd.service", "systemd-networkd.socket",
    "systemd-networkd-wait-online.service", "NetworkManager.service", "NetworkManager-wait-online.service",
    "dhcpcd.service", "wickedd.service", "connman.service",
)  # fmt: skip
#: What runs now and then must not do so twice, nor take the package manager's lock while the copy is updated.
_PERIODIC = (
    "timers.target", "cron.service", "crond.service", "anacron.service", "atd.service", "unattended-upgrades.service",
)  # fmt: skip


def guard_install(
    original_uuid: str,
    management: dict[str, Any],
    workload: list[str],
    mounts: list[str],
    original_management: dict[str, Any] | None = None,
    disks: Sequence[str] = (),
) -> dict[str, Any]:
    """Install it: {"pid_base", "masked", "disks"}.

    ``management``: {mac, address, prefix, gateway, mtu} of the copy; ``original_management``: of this machine, for a
    boot after its workload has left; ``disks``: serial numbers of those that both will have.
    Raises GuestError(guest.bad-guard).
    """
    if bad := [serial for serial in disks if not SERIAL.fullmatch(serial)]:
        raise GuestError("guest.bad-guard", f"serial number {bad[0][:50]!r}")
    if original_uuid != uuid():
        raise GuestError("guest.bad-guard", f"this machine is {uuid()} and not {original_uuid[:50]!r}")
    addresses = [f"copy {_line(management)}"]
    if original_management:
        addresses.append(f"{original_uuid} {_line(original_management)}")
    masked = _with_triggers(map(units.full_name, workload))
    masked_mounts = _with_triggers(map(units.mount_unit, mounts))
    base, own_base = pid_bases(proc.pids(), _last_pid())
    texts = {
        "original": original_uuid,
        "always": "\n".join(_ALWAYS),
        "periodic": "\n".join(_PERIODIC),
        "units": "\n".join(masked),
        "mounts": "\n".join(masked_mounts),
        "addresses": "\n".join(addresses),
        "names": "\n".join(f"{mac} {name}" for mac, name in nics.names().items()),
        "routes": "\n".join(routes(_ip_routes())),
        "dns": "\n".join(_name_servers()),
        "bases": f"{base} {original_uuid} {own_base}",
        "disks": "\n".join(disks),
        "disk": generator.disk(),
        "pids": generator.pids(),
        "network": generator.network(),
    }
    # a generator that is there is one that is whole, with all its lists
    _remove()
    os.makedirs(GUARD, mode=0o700)
    for name, text in texts.items():
        places.write_private(f"{GUARD}/{name}", text and text.rstrip("\n") + "\n")
    if disks:
        os.makedirs(os.path.dirname(RULE), exist_ok=True)
        places.write_private(RULE, generator.rule())
    os.makedirs(os.path.dirname(GENERATOR), exist_ok=True)
    places.write_private(GENERATOR, generator.generator())
    os.chmod(GENERATOR, 0o700)
    return {"pid_base": base, "masked": sorted({*masked, *masked_mounts}), "disks": list(disks)}


def guard_remove() -> dict[str, Any]:
    """Take it away: {"was": "original" | "copy" | "absent"}; from here a boot is an ordinary one. Idempotent.

    A copy keeps what it is: cloud-init goes on with what it knows, and the interfaces of the original keep their names.
    """
    of = original()
    if not of:
        # never there, or half removed
        _remove()
        return {"was": "absent"}
    copy = uuid() != of
    if copy:
        _keep_identity()
    _remove()
    units.reload()
    if copy:
        _start_periodic()
    return {"was": "copy" if copy else "original"}


def original() -> str:
    """The UUID of the machine that it keeps from having a double; "" where there is no guard."""
    try:
        with open(f"{GUARD}/original", encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _start_periodic() -> None:
    """What a boot would have started, had it not been masked."""
    for name in _PERIODIC:
        if run(["systemctl", "is-enabled", "--quiet", name], check=False).ok:
            run(["systemctl", "start", "--no-block", name], check=False)


def _remove() -> None:
    """The generator first: without its lists it would be worse than none."""
    for file in (GENERATOR, RULE):
        with suppress(FileNotFoundError):
            os.unlink(file)
    shutil.rmtree(GUARD, ignore_errors=True)


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


def _with_triggers(known: Iterable[str]) -> list[str]:
    """The units and whatever would start them: sockets, timers, paths, automounts. By their other names, too."""
    names = list(known)
    shown = units.show(*names) if names else []
    triggers = [trigger for unit in shown for trigger in unit.properties.get("TriggeredBy", "").split()]
    return sorted({*names, *(unit.name for unit in shown if unit.name), *triggers})


def pid_bases(taken: Iterable[int], last: int) -> tuple[int, int]:
    """Where the PIDs of a copy begin, and those of the original if it boots while the workload is away.

    In the widest gap between those ``taken`` here and the ``last`` that was given out: far from what lives here, and
    from what will until the move.
    """
    points = sorted({generator.PID_MIN, *taken, last, generator.PID_MAX})
    gaps = zip(points, points[1:])  # noqa: B905, RUF007 Python 3.9
    width, start = max((after - before, before) for before, after in gaps)
    return start + width // 3, start + 2 * width // 3


def routes(shown: Iterable[dict[str, Any]]) -> list[str]:
    """What the network gave beside the default route, as ``ip -json`` shows it: "network gateway"."""
    return [f"{route['dst']} {route['gateway']}" for route in shown if "gateway" in route and route["dst"] != "default"]


def _ip_routes() -> list[dict[str, Any]]:
    return [entry for entry in json.loads(run(["ip", "-json", "route", "show"]).text or "[]") if entry]


def _last_pid() -> int:
    with open("/proc/sys/kernel/ns_last_pid", encoding="ascii") as file:
        return int(file.read())


def uuid() -> str:
    """This machine's, from its SMBIOS. Raises GuestError(guest.bad-guard) if it has none."""
    try:
        with open("/sys/class/dmi/id/product_uuid", encoding="ascii") as file:
            return file.read().strip().lower()
    except OSError as error:
        raise GuestError("guest.bad-guard", f"this machine has no SMBIOS UUID: {error.strerror}") from error


def _name_servers() -> list[str]:
    found = []
    for path in ("/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"):
        with suppress(OSError), open(path, encoding="ascii", errors="replace") as file:
            found = [line.split()[1] for line in file if re.match(r"nameserver\s+[0-9a-fA-F.:]+\s*$", line)]
        if found:
            break
    return found
