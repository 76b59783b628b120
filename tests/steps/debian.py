"""A surrogate's Debian in memory, as far as the step update speaks to it: packages, transient units, a disk, boots."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from liveupdate.drivers.guest import Completed, grub
from tests.drivers.grub_menu import menu

OLD, NEW = "6.1.0-50-cloud-amd64", "6.1.0-56-cloud-amd64"
MACHINE_ID = "0123456789abcdef"


@dataclass
class Debian:
    """``units``: name → ActiveState, SubState. ``log``: what changed it. ``strike`` is called before and after."""

    smbios: str
    installed: list[str] = field(default_factory=lambda: [OLD])
    running: str = OLD
    machine_id: str = MACHINE_ID
    boots: int = 1
    up: bool = True
    broken: bool = False
    #: Whether update-grub is there.
    grub: bool = True
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
            case ["dpkg-query", "-W", "-f", form, *_]:
                version = " 6.1" if "Version" in form else ""
                return Completed(0, "".join(f"ii linux-image-{r}{version}\n" for r in self.installed), "")
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
            case ["sh", "-c", _]:
                return self._update_grub(tuple(argv))
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

    def _update_grub(self, argv: tuple[str, ...]) -> Completed:
        """It takes the default from the pin."""
        assert argv in (grub.REMAKE, grub.UNPIN)
        if argv == grub.UNPIN and self.disk.pop(grub.PIN, None) is None:
            return Completed(0, "", "")
        if not self.grub:
            return Completed(127, "", "update-grub: not found")
        pinned = re.search(r"GRUB_DEFAULT='(.*)'", self.disk.get(grub.PIN, ""))
        default = pinned.group(1) if pinned else "0"
        self.disk[grub.MENU] = menu(sorted(self.installed, reverse=True), default)
        return Completed(0, "", "")

    def boot(self, release: str | None = None) -> None:
        """The boot loader takes its default, the newest as a rule; or ``release``."""
        self.boots += 1
        self.units.clear()
        default = grub.default_of(self.disk.get(grub.MENU, ""))
        named = (r for r in self.installed if r in default)
        self.running = release or next(named, max(self.installed))
        self.log.append(f"boot {self.running}")

    def note(self) -> object:
        return json.loads(self.disk["/var/lib/liveupdate/update.json"])
