"""Long commands in a guest, as transient units: they outlive the worker and its connection, and hold no thread."""

from collections.abc import Sequence
from enum import StrEnum

from liveupdate.drivers.guest.guest import Guest
from liveupdate.plain import plain


class TaskState(StrEnum):
    #: Never started since this boot, or forgotten.
    ABSENT = "absent"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Task:
    """``name`` is unique in the guest; its unit is liveupdate-<name>.service."""

    def __init__(self, guest: Guest, name: str) -> None:
        self._guest = guest
        self._unit = f"liveupdate-{name}.service"

    def state(self) -> TaskState:
        argv = ["systemctl", "show", "--property=ActiveState", "--property=SubState", self._unit]
        shown = dict(line.partition("=")[::2] for line in self._guest.run(argv).stdout.splitlines())
        match shown.get("ActiveState"), shown.get("SubState"):
            case "inactive", _:
                return TaskState.ABSENT
            case "failed", _:
                return TaskState.FAILED
            case "active", "exited":
                return TaskState.DONE
        return TaskState.RUNNING

    def start(self, argv: Sequence[str]) -> None:
        """Raises GuestError ``guest.command-failed`` if it is there already: look first."""
        options = ("--quiet", f"--unit={self._unit}", "--property=RemainAfterExit=yes")
        self._guest.run(["systemd-run", *options, "--", *argv])

    def words(self) -> str:
        """The end of what it said, for a person."""
        argv = ["journalctl", "--quiet", "--no-pager", "--output=cat", "--boot", "--lines=20", f"--unit={self._unit}"]
        return plain(self._guest.run(argv, check=False).stdout[-4000:]).strip()[-1000:]

    def forget(self) -> None:
        """Stop it if it runs, and clear its result."""
        for verb in ("stop", "reset-failed"):
            self._guest.run(["systemctl", verb, self._unit], check=False)
