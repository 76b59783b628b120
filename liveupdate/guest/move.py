"""What is to be moved, as the worker tells each side. Validated here, once."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass, field
from typing import Any

from . import units
from .errors import GuestError
from .scope import Scope

HANDOVERS = ("move", "restart", "start", "leave")
MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


@dataclass(frozen=True)
class UnitPlan:
    name: str
    handover: str
    #: [{"kind": "tcp", "port"} | {"kind": "http", "port", "path", "status"} | {"kind": "command", "argv"}]
    health: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Address:
    address: str
    prefix: int
    #: Of the interface that carries it on this machine.
    mac: str


@dataclass(frozen=True)
class Mount:
    where: str
    #: A stable name, /dev/disk/by-id/….
    device: str
    fstype: str
    options: str
    #: Attached to both machines; otherwise the worker brings it over.
    shared: bool


@dataclass(frozen=True)
class System:
    """A file system of the boot set other than the root, on the disk with this serial number on this machine."""

    where: str
    serial: str


@dataclass(frozen=True)
class Move:
    job: str
    units: tuple[UnitPlan, ...]
    addresses: tuple[Address, ...]
    mounts: tuple[Mount, ...]
    #: The source's clock (seconds since 1970) when the target's boot set was copied; None: nothing is synchronised.
    files_since: float | None
    systems: tuple[System, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    #: Seconds from the freeze in which the source resumes by itself unless it has granted.
    dead_man_seconds: float = 60.0
    #: Seconds from asking for the grant in which the target must be opened.
    open_within_seconds: float = 60.0
    raw: dict[str, Any] = field(default_factory=dict, compare=False)

    def address_lines(self) -> str:
        """For the guard's mark, a line each: MAC, address with prefix; MTU and gateway are as they are."""
        return "".join(f"{each.mac} {each.address}/{each.prefix} - -\n" for each in self.addresses)

    def scope(self) -> Scope:
        """What is synchronised. Raises GuestError."""
        return Scope(self.include, self.exclude, systems=[system.where for system in self.systems])

    @property
    def places(self) -> tuple[str, ...]:
        """Where data volumes are mounted."""
        return tuple(mount.where for mount in self.mounts)

    def with_handover(self, *handovers: str) -> tuple[UnitPlan, ...]:
        return tuple(unit for unit in self.units if unit.handover in handovers)


def parse(raw: dict[str, Any]) -> Move:
    """Raises GuestError(guest.bad-move)."""
    try:
        files = raw.get("files") or {}
        return Move(
            job=str(raw["job"]),
            units=tuple(_unit(entry) for entry in raw["units"]),
            addresses=tuple(_address(entry) for entry in raw["addresses"]),
            mounts=tuple(_mount(entry) for entry in raw["mounts"]),
            files_since=float(files["since"]) if "since" in files else None,
            systems=tuple(System(_inside(entry["where"]), str(entry["serial"])) for entry in raw.get("systems", ())),
            include=tuple(_absolute(path) for path in files.get("include", ())),
            exclude=tuple(_absolute(path) for path in files.get("exclude", ())),
            dead_man_seconds=_seconds(raw["dead_man_seconds"]),
            open_within_seconds=_seconds(raw["open_within_seconds"]),
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise GuestError("guest.bad-move", f"{type(error).__name__}: {error}") from error


def _unit(entry: dict[str, Any]) -> UnitPlan:
    if entry["handover"] not in HANDOVERS:
        raise ValueError(f"handover {entry['handover']!r}")
    return UnitPlan(units.full_name(entry["name"]), entry["handover"], tuple(entry.get("health") or ()))


def _address(entry: dict[str, Any]) -> Address:
    mac = str(entry["mac"]).lower()
    if not MAC.fullmatch(mac):
        raise ValueError(f"MAC address {mac!r}")
    return Address(str(ipaddress.ip_address(entry["address"])), int(entry["prefix"]), mac)


def _mount(entry: dict[str, Any]) -> Mount:
    options = str(entry.get("options") or "defaults")
    if not re.fullmatch(r"[\w,=:./@+-]+", options) or not re.fullmatch(r"[\w.-]+", str(entry["fstype"])):
        raise ValueError(f"mount options {options!r} of {entry['fstype']!r}")
    where, device = _inside(entry["where"]), _absolute(entry["device"])
    return Mount(where, device, str(entry["fstype"]), options, bool(entry["shared"]))


def _inside(path: object) -> str:
    if path == "/":
        raise ValueError("the root file system stays where it is")
    return _absolute(path)


def _absolute(path: object) -> str:
    if not isinstance(path, str) or not path.startswith("/") or os.path.normpath(path) != path or "\n" in path:
        raise ValueError(f"not a plain absolute path: {path!r}")
    return path


def _seconds(value: object) -> float:
    seconds = float(value)  # type: ignore[arg-type]
    if not 1 <= seconds <= 3600:
        raise ValueError(f"{seconds} seconds: 1 to 3600")
    return seconds
