"""Which files of the boot set belong to the workload: all that the package manager does not own, with exceptions.

The boot set is the root file system and the ``systems`` that are mounted in it. The nearest rule above a path decides.
What the operator names beats what is built in. Paths are bytes, relative to the root, without a leading slash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from functools import cached_property

from .errors import GuestError

#: Not carried: the kernel's, the package manager's, and what makes this machine this machine.
_LEFT = (
    "proc sys dev run tmp boot lost+found .liveupdate bin sbin lib lib32 lib64 libx32 usr "
    "var/lib/dpkg var/lib/apt var/cache/apt var/cache/debconf var/lib/ucf var/lib/systemd var/lib/cloud "
    # who this machine is to its storage, and what it knows of its paths
    "etc/iscsi var/lib/iscsi etc/multipath "
    "var/lib/dhcp var/lib/dhcpcd var/lib/NetworkManager var/lib/liveupdate var/lib/dbus/machine-id etc/machine-id"
)
#: Carried nevertheless. Who lingers is the users' choice; a timer's stamp keeps a job from running twice on the target.
_CARRIED = "usr/local var/lib/systemd/linger var/lib/systemd/timers"
#: The private directory in which things are made before they are put into place, one in each file system.
STAGE = b".liveupdate"
#: Not carried at the top of any file system.
_LEFT_AT_TOP = (STAGE, b"lost+found")
#: Not carried wherever they match, with all below them.
_LEFT_PATTERN = re.compile(
    rb"(?:initrd\.img(?:\.old)?|vmlinuz(?:\.old)?"  # links of the kernel's packages
    rb"|etc/ssh/ssh_host_[^/]*"
    rb"|etc/systemd/(?:system-generators|network)/[^/]*liveupdate[^/]*|etc/cloud/cloud\.cfg\.d/99-liveupdate\.cfg"
    rb"|(?:.*/)?liveupdate-guard[^/]*"
    rb"|var/tmp/(?:liveupdate|systemd-private-)[^/]*"
    rb"|var/log/journal/(?:.*/)?[^/@]*\.journal"  # being written; archives have an @ in their names
    rb")(?:/.*)?",
    re.DOTALL,
)
#: Changed on both machines, these stay as they are on the target: the update has written them.
_TARGETS_PATTERN = re.compile(
    rb"(?:etc/ld\.so\.cache|etc/alternatives|etc/\.pwd\.lock|var/cache|var/lib/initramfs-tools|var/lib/grub"
    rb"|var/lib/shim-signed|var/lib/man-db|var/lib/python|var/lib/polkit-1|var/log/apt|var/log/unattended-upgrades"
    rb"|var/log/(?:dpkg|alternatives)\.log[^/]*|var/backups/(?:dpkg|apt|alternatives)\.[^/]*)(?:/.*)?",
    re.DOTALL,
)


class Scope:
    """What is carried on this machine; ``include`` and ``exclude``: absolute paths of the operator; ``systems``: where
    the other file systems of the boot set are mounted.

    Raises GuestError: guest.bad-scope, guest.system-missing.
    """

    def __init__(
        self,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        root: str = "/",
        systems: Iterable[str] = (),
    ) -> None:
        self.root = root
        self.systems = frozenset(_relative(systems))
        #: By the operator: carried whoever owns them.
        self._named = _relative(include)
        #: A path, and whether it and what is below it is carried.
        self.rules = {path: False for path in _LEFT.encode().split()}
        self.rules.update({path: True for path in _CARRIED.encode().split()})
        self.rules.update({system + b"/" + name: False for system in self.systems for name in _LEFT_AT_TOP})
        self.rules.update({path: False for path in swap_files(root)})
        self.rules.update({path: True for path in self._named})
        self.rules.update({path: False for path in _relative(exclude)})
        self.find_mounts()

    def find_mounts(self) -> None:
        """Leave out every other file system; one mounted just now too: what it hides has not been deleted.

        Nor has what was on a file system of the boot set that is not mounted any more: then nothing is decided.
        """
        seen = mounts(self.root)
        if missing := sorted(self.systems.difference(seen)):
            raise GuestError(
                "guest.system-missing",
                f"nothing is mounted at /{os.fsdecode(missing[0])}, where a file system of the boot set belongs",
                "see why it was not mounted at boot, or who unmounted it",
            )
        for mount in seen:
            if mount in self.systems:
                continue
            for path in self._named:
                if within(path, mount):
                    raise GuestError(
                        "guest.bad-scope",
                        f"/{os.fsdecode(path)} is not of the boot set but on what is mounted at /{os.fsdecode(mount)}",
                        "leave it out; volumes are moved as a whole",
                    )
            self.rules[mount] = False

    @cached_property
    def owned(self) -> frozenset[bytes]:
        """Files that packages brought."""
        return owned_files(self.root)

    def holds(self, path: bytes) -> bool:
        """Is the path inside, by the rules alone? An excluded directory is not even looked into."""
        at = path
        while at:
            if at in self.rules:
                return self.rules[at]
            at = parent(at)
        return True

    def covers(self, path: bytes, directory: bool) -> bool:
        """Is the path to be carried? Directories that packages brought are: they hold files that packages did not."""
        if not self.holds(path):
            return False
        if any(within(path, name) for name in self._named):
            return True
        return not _LEFT_PATTERN.fullmatch(path) and (directory or path not in self.owned)

    def system(self, path: bytes) -> bytes:
        """The file system that the path is, or would be, on: where it is mounted; b"" is the root."""
        above = parent(path)
        while above and above not in self.systems:
            above = parent(above)
        return above

    def file_systems(self) -> list[str]:
        """Where those of the boot set are mounted, as absolute paths; the root first."""
        return [self.root, *(os.path.join(self.root, os.fsdecode(system)) for system in sorted(self.systems))]

    def targets(self, path: bytes) -> bool:
        """Does the target's version stay where both have changed it?"""
        return _TARGETS_PATTERN.fullmatch(path) is not None


def parent(path: bytes) -> bytes:
    return path.rpartition(b"/")[0]


def within(path: bytes, folder: bytes) -> bool:
    return path == folder or path.startswith(folder + b"/")


def _relative(paths: Iterable[str]) -> list[bytes]:
    found = []
    for path in paths:
        if not path.startswith("/") or path.startswith("//") or os.path.normpath(path) != path or path == "/":
            raise GuestError("guest.bad-scope", f"{path[:200]!r} is not a plain absolute path")
        found.append(os.fsencode(path)[1:])
    return found


def mounts(root: str) -> list[bytes]:
    """Where something is mounted, bind mounts too."""
    # mount point: fifth field, blanks escaped
    return [path for line in _lines(root, "proc/self/mountinfo") if (path := _unescape(line.split()[4])[1:])]


def swap_files(root: str) -> list[bytes]:
    """Swap files in use or in fstab. Swap partitions come along, under dev."""
    used = [line.split()[0] for line in _lines(root, "proc/swaps")[1:]]
    table = [line.split() for line in _lines(root, "etc/fstab")]
    listed = [fields[0] for fields in table if len(fields) > 2 and fields[2] == b"swap"]
    return [_unescape(name)[1:] for name in used + listed if name.startswith(b"/")]


def owned_files(root: str) -> frozenset[bytes]:
    """Every path that dpkg's packages brought, without configuration files and without what is under usr.

    Raises GuestError(guest.no-packages) when there is no dpkg: then everything would look like the workload's.
    """
    folder = os.path.join(root, "var/lib/dpkg/info")
    if not os.path.isdir(folder):
        raise GuestError("guest.no-packages", "the guest has no dpkg", "only Debian and its relatives are supported")
    brought: set[bytes] = set()
    configuration: set[bytes] = set()
    for name in os.listdir(folder):
        if name.endswith(".list"):
            lines = _lines(folder, name)
            brought.update(
                line[1:] for line in lines if not line.startswith(b"/usr/") or line.startswith(b"/usr/local")
            )
        elif name.endswith(".conffiles"):
            # a flag may stand before the path
            configuration.update(line[line.find(b"/") + 1 :] for line in _lines(folder, name))
    # lines in threes: a path, where packages' files of that name go instead, who said so
    brought.update(line[1:] for line in _lines(root, "var/lib/dpkg/diversions") if line.startswith(b"/"))
    return frozenset(brought - configuration)


def _lines(*path: str) -> list[bytes]:
    try:
        with open(os.path.join(*path), "rb") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def _unescape(name: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda match: bytes([int(match.group(1), 8)]), name)
