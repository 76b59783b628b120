"""The matrix's guests: as in pair.py, and the surrogate is a Debian whose kernel is updated."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

from liveupdate.drivers.guest import grub
from liveupdate.testing.pair import Pair, PairedGuest
from tests.steps.debian import Debian

_ITS_PROGRAMS = {"cat", "dpkg-query", "install", "journalctl", "systemd-run"}


@dataclass
class Machines(Pair):
    debian: Debian = field(default_factory=lambda: Debian(""))

    def provisioned(self, server_id: str) -> None:
        if self.debian.smbios != server_id:
            self.debian = Debian(server_id)
        super().provisioned(server_id)

    def time_passes(self) -> None:
        """Tasks end, and Nova has rebooted what it was asked to."""
        self.debian.time_passes()
        server = self.world.servers.get(self.debian.smbios)
        if server is not None and server.task_state:
            self.world.servers[server.id] = replace(server, task_state="")
            self.restart("surrogate")

    def restart(self, side: str) -> None:
        if side == "surrogate":
            self.debian.boot()
        super().restart(side)


@dataclass
class Machine(PairedGuest):
    pair: Machines

    def put(self, path: str, data: bytes, mode: int) -> None:
        self._take("put")
        self.pair.debian.put(path, data, mode)

    def run(self, argv: Sequence[str], **more: Any) -> SimpleNamespace:
        told = super().run(argv, **more)
        return self._in_debian(argv) or told if self.side == "surrogate" else told

    def _in_debian(self, argv: Sequence[str]) -> SimpleNamespace | None:
        """None: that is nothing of the system's."""
        debian = self.pair.debian
        of_units = argv[0] == "systemctl" and argv[1] in ("show", "stop", "reset-failed")
        if of_units or argv[0] in _ITS_PROGRAMS or argv in (grub.REMAKE, grub.UNPIN):
            done = debian.run(argv, check=False)
            return SimpleNamespace(code=done.code, stdout=done.stdout, stderr="")
        if argv[:2] == ["rm", "-rf"]:
            for path in [path for path in debian.disk if path.startswith(f"{argv[2]}/")]:
                del debian.disk[path]
        return None
