"""Which units are the workload, and how each is handed over. Pure.

The guest's facts are hostile until looked at: names are checked, numbers are taken as numbers.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from liveupdate.model import Handover, Json

_NAME = re.compile(r"[A-Za-z0-9:_][A-Za-z0-9:_.@-]{0,199}\.service")

#: Units of the system itself: every copy of a machine runs its own.
_SYSTEM = re.compile(
    r"(systemd-.*|dbus.*|sshd?|sshd?@.*|cron|anacron|atd|rsyslog|syslog-ng|auditd|polkit|.*getty@.*|console-getty|user@.*"
    r"|cloud-.*|qemu-guest-agent|chronyd?|ntpd?|ntpsec|networking|NetworkManager|ifup@.*|dhclient.*|unattended-upgrades"
    r"|apt-.*|multipathd|iscsid|open-iscsi|liveupdate-.*|irqbalance|acpid|haveged|udisks2|ModemManager|wpa_supplicant"
    r"|accounts-daemon|rtkit-daemon|lvm2-.*|dm-event|rpcbind|nscd|sssd)\.service"
)


def candidates(guest: Json, wanted: Sequence[Mapping[str, Any]], metadata: str) -> list[str]:
    """Names of the units to try: those the request names, else those the owner's metadata does, else all that are
    running and not the system's own."""
    if wanted:
        return [unit["name"] for unit in wanted if unit.get("handover") != Handover.LEAVE]
    running = [str(unit.get("name", "")) for unit in guest.get("units", [])]
    named = [name.strip() for name in metadata.split(",") if name.strip()]
    named = [name if name.endswith(".service") else f"{name}.service" for name in named]
    chosen = named or [name for name in running if not _SYSTEM.fullmatch(name)]
    return [name for name in chosen if _NAME.fullmatch(name)]


def decide(guest: Json, trials: Mapping[str, Json], wanted: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry per unit that was tried: {name, handover, health, main_pid, rss, ports, mounts, reason}.

    A unit whose trial worked moves, another is restarted, unless the request says otherwise. Without health
    checks in the request the guest asks every address and port that the unit listened on.
    """
    asked = {unit["name"]: unit for unit in wanted}
    seen = {str(unit.get("name", "")): unit for unit in guest.get("units", [])}
    return [_decide(name, seen.get(name, {}), trial, asked.get(name, {})) for name, trial in trials.items()]


def _decide(name: str, seen: Json, trial: Json, asked: Mapping[str, Any]) -> dict[str, Any]:
    ports = [int(port) for port in seen.get("ports", [])]
    chosen = asked.get("handover")
    handover = Handover(chosen) if chosen else Handover.MOVE if trial.get("ok") else Handover.RESTART
    why = "" if handover == Handover.MOVE else "as asked for" if chosen else str(trial.get("reason", ""))[:300]
    return {
        "name": name,
        "handover": str(handover),
        "health": list(asked.get("health") or []),
        "main_pid": int(seen.get("main_pid", 0)),
        "rss": int(seen.get("rss", 0)),
        "ports": ports,
        "mounts": [str(where) for where in seen.get("mounts", [])],
        "reason": why,
    }
