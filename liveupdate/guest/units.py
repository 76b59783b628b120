"""systemd units: what they are doing, and the runtime drop-ins that make systemd take part in a move."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass

from . import places, proc
from .errors import GuestError
from .external import run

NAME = re.compile(r"[A-Za-z0-9:_.\\@-]{1,200}")
DROP_INS = "/run/systemd/system"
#: Bytes in /run with less of which systemd refuses to load units.
_ROOM = 16 << 20
#: Sandboxing that gives a unit its own namespaces, which CRIU 3 cannot dump from outside.
NAMESPACES = (
    "PrivateTmp", "PrivateDevices", "PrivateUsers", "PrivateNetwork", "PrivateIPC", "ProtectHome", "ProtectSystem",
    "ProtectHostname", "ProtectKernelTunables", "ProtectControlGroups", "ProtectProc", "DynamicUser",
)  # fmt: skip
PROPERTIES = (
    "Id", "MainPID", "ActiveState", "SubState", "LoadState", "Type", "ControlGroup", "FragmentPath", "StandardOutput",
    "StandardError", "RuntimeDirectory", "PIDFile", "TriggeredBy", "User", "NeedDaemonReload", *NAMESPACES,
)  # fmt: skip
OFF = ("", "no", "off", "default")


@dataclass(frozen=True)
class Unit:
    """One loaded unit: its systemd ``properties`` (names above; values as systemd prints them)."""

    properties: dict[str, str]

    @property
    def name(self) -> str:
        return self.properties.get("Id", "")

    @property
    def main_pid(self) -> int:
        return int(self.properties.get("MainPID", "0") or 0)

    @property
    def active(self) -> bool:
        return self.properties.get("ActiveState") == "active"

    @property
    def loaded(self) -> bool:
        return self.properties.get("LoadState") == "loaded"

    @property
    def processes(self) -> list[int]:
        group = self.properties.get("ControlGroup", "")
        return proc.control_group(group) if group else []

    @property
    def sandboxing(self) -> list[str]:
        return [f"{key}={self.properties[key]}" for key in NAMESPACES if self.properties.get(key, "") not in OFF]


def full_name(name: str) -> str:
    """``kv`` is ``kv.service``; refuses what is no unit name (it goes into paths and command lines)."""
    if not NAME.fullmatch(name) or name.startswith("-") or ".." in name:
        raise GuestError("guest.bad-unit", f"{name[:80]!r} is not a unit name")
    return name if re.search(r"\.(service|socket|timer|path|mount|target)$", name) else f"{name}.service"


def mount_unit(where: str) -> str:
    """The unit of what is mounted at ``where``, as ``systemd-escape --path`` names it."""
    path = os.fsencode("/".join(filter(None, where.split("/"))))
    escaped = re.sub(rb"^\.|[^A-Za-z0-9:_./]", lambda match: b"\\x%02x" % match[0][0], path)
    return f"{escaped.replace(b'/', b'-').decode() or '-'}.mount"


def show(*names: str) -> list[Unit]:
    """The named units, or every running service when none is named."""
    listed = list(names) or running()
    if not listed:
        return []
    argv = ["systemctl", "show", "--no-pager", f"--property={','.join(PROPERTIES)}", "--", *listed]
    return [Unit(properties) for properties in parse(run(argv, code="guest.systemd-failed").text)]


def running() -> list[str]:
    argv = ["systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend", "--no-pager"]
    return [line.split()[0] for line in run(argv, code="guest.systemd-failed").text.splitlines() if line.strip()]


def parse(shown: str) -> list[dict[str, str]]:
    """``systemctl show`` of several units: blocks of Key=Value with a blank line between."""
    blocks = [block for block in shown.split("\n\n") if block.strip()]
    return [dict(line.partition("=")[::2] for line in block.splitlines() if "=" in line) for block in blocks]


def drop_in(unit: str, name: str) -> str:
    return f"{DROP_INS}/{unit}.d/zz-liveupdate-{name}.conf"


def write_drop_in(unit: str, name: str, content: str) -> None:
    """A runtime drop-in that sorts after all others; in force after ``reload``."""
    path = drop_in(unit, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    places.write_private(path, content)


def remove_drop_ins(*units: str) -> None:
    """Take all of ours away; then ``reload``."""
    for unit in units:
        for name in ("away", "restore"):
            with suppress(FileNotFoundError):
                os.unlink(drop_in(unit, name))
        with suppress(OSError):  # not ours alone
            os.rmdir(f"{DROP_INS}/{unit}.d")


def reload() -> None:
    """Raises GuestError: guest.systemd-failed, guest.disk-full."""
    try:
        run(["systemctl", "daemon-reload"], timeout=120, code="guest.systemd-failed")
    except GuestError as error:
        room = os.statvfs("/run")
        if (left := room.f_bavail * room.f_frsize) < _ROOM:
            what = f"systemd loads no units, since /run has {left >> 10} KiB left"
            raise GuestError("guest.disk-full", what, "make room there, then try again") from error
        raise


def away() -> str:
    """For a unit whose processes are about to leave: its end is neither a failure nor a reason to start it again.

    Nor may anybody else start it while it is away.
    """
    return (
        f"{keep_away()}OnFailure=\nOnSuccess=\n"
        "[Service]\nRestart=no\nExecStop=\nExecStopPost=\nRuntimeDirectoryPreserve=yes\nSuccessExitStatus=SIGKILL\n"
    )


def keep_away() -> str:
    """For whatever systemd must not start, or mount, while the workload is on the other machine."""
    return f"[Unit]\nAssertPathExists=!{places.AWAY}\n"


def restore(command: str, pid_file: str) -> str:
    """For a unit that comes back from images: systemd runs ``command`` as root and adopts the restored process."""
    return (
        "[Unit]\nOnFailure=\nStartLimitIntervalSec=0\n"
        f"[Service]\nType=forking\nPIDFile={pid_file}\nRestart=no\nWatchdogSec=0\nTimeoutStartSec=120\n"
        "RuntimeDirectoryPreserve=yes\n"
        f"ExecCondition=\nExecStartPre=\nExecStartPost=\nExecStart=\nExecStart=+{command}\n"
    )
