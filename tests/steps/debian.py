"""A surrogate's Debian in memory, as far as the step update speaks to it: packages, transient units, a disk, boots."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from liveupdate.drivers.guest import Completed

OLD, NEW = "6.1.0-50-cloud-amd64", "6.1.0-56-cloud-amd64"


@dataclass
class Debian:
    """``units``: name → ActiveState, SubState. ``log``: what changed it. ``strike`` is called before and after."""

    smbios: str
    sources: list[str] = field(default_factory=lambda: [OLD, NEW])
    installed: list[str] = field(default_factory=lambda: [OLD])
    running: str = OLD
    machine_id: str = "0123456789abcdef"
    boots: int = 1
    up: bool = True
    broken: bool = False
    disk: dict[str, str] = field(default_factory=dict)
    units: dict[str, tuple[str, str]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    strike: Callable[..., None] = lambda *_: None

    def reachable(self) -> bool:
        return self.up

    def put(self, path: str, data: bytes, mode: int) -> None:
        self.strike()
        self.disk[path] = data.decode()
        self.strike()

    def run(self, argv: Sequence[str], *, timeout: float = 60.0, check: bool = True) -> Completed:
        self.strike()
        done = self._run(list(argv))
        self.strike()
        assert done.code == 0 or not check, argv
        return done

    def _run(self, argv: list[str]) -> Completed:
        match argv:
            case ["cat", "/proc/sys/kernel/osrelease", *_]:
                facts = (self.running, f"boot-{self.boots}", self.machine_id, "server", self.smbios)
                return Completed(0, "\n".join(facts), "")
            case ["cat", path]:
                return Completed(0, self.disk[path], "") if path in self.disk else Completed(1, "", "no such file")
            case ["apt-cache", "pkgnames", prefix]:
                return Completed(0, "\n".join(f"{prefix}{release}" for release in self.sources), "")
            case ["dpkg-query", *_]:
                return Completed(0, "".join(f"ii linux-image-{release}\n" for release in self.installed), "")
            case ["systemctl", "show", *_, unit]:
                active, sub = self.units.get(unit, ("inactive", "dead"))
                return Completed(0, f"ActiveState={active}\nSubState={sub}\n", "")
            case ["systemctl", "stop" | "reset-failed", unit]:
                self.units.pop(unit, None)
            case ["systemd-run", "--quiet", named, "--property=RemainAfterExit=yes", "--", "env", *rest]:
                unit = named.removeprefix("--unit=")
                assert unit not in self.units, "there already"
                self.units[unit] = ("active", "running")
                self.log.append("refresh" if rest[-1] == "update" else f"install {rest[-1]}")
            case ["journalctl", *_]:
                return Completed(0, "E: Unmet dependencies", "")
            case ["install", "-d", *_]:
                pass
            case _:
                raise AssertionError(f"unforeseen: {argv}")
        return Completed(0, "", "")

    def time_passes(self) -> None:
        """Tasks end."""
        for unit, (_, sub) in self.units.items():
            if sub == "running":
                self.units[unit] = ("failed", "failed") if self.broken else ("active", "exited")
                if "install" in unit and not self.broken:
                    self.installed.append(self.log[-1].removeprefix("install linux-image-"))

    def boot(self, release: str | None = None) -> None:
        """The boot loader takes the newest, or ``release``."""
        self.boots += 1
        self.units.clear()
        self.running = release or max(self.installed)
        self.log.append(f"boot {self.running}")

    def note(self) -> object:
        return json.loads(self.disk["/var/lib/liveupdate/update.json"])
