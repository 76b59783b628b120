"""One guest, kept connected while a job needs it."""

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from liveupdate.drivers.guest import answers
from liveupdate.drivers.guest.agent import Agent
from liveupdate.drivers.guest.connection import Completed, Connection
from liveupdate.drivers.guest.freeze import Frozen, freeze
from liveupdate.errors import GuestError
from liveupdate.guest import bundle, places
from liveupdate.settings import Guest as GuestSettings

_CLOCK = re.compile(r"\d{1,12}\.\d{1,9}\n?", re.ASCII)


class Guest:
    """Connects when first needed, and again after the connection broke. ``address`` may change between steps."""

    def __init__(self, address: str, host_key: str, settings: GuestSettings, port: int = 22) -> None:
        self.address = address
        self._host_key = host_key
        self._settings = settings
        self._port = port
        self._connection: Connection | None = None
        self._agent: Agent | None = None

    def run(self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0, check: bool = True) -> Completed:
        """See Connection.run."""
        return self._connected().run(argv, stdin=stdin, timeout=timeout, check=check)

    def put(self, path: str, data: bytes, mode: int) -> None:
        self._connected().put(path, data, mode)

    def reachable(self) -> bool:
        """Whether ssh answers with the right key and lets us in."""
        try:
            self.run(["true"], timeout=self._settings.connect_timeout)
        except GuestError:
            self.close()
            return False
        return True

    def clock(self) -> float:
        """Its clock, in seconds since 1970. Raises GuestError."""
        told = self.run(["date", "+%s.%N"]).stdout
        if not _CLOCK.fullmatch(told):
            raise GuestError(f"its clock cannot be {told[:50]!r}", code="live-update.guest.bad-answer")
        return float(told)

    def flush(self) -> None:
        """Write to the disks what its caches hold."""
        self.run(["sync"], timeout=600)

    def freeze(self, mounts: Sequence[str], watchdog: float) -> AbstractContextManager[Frozen]:
        """See freeze.freeze."""
        return freeze(self._connected(), mounts, watchdog)

    def place_agent(self) -> None:
        """Upload the in-guest program; the same content again is a no-op for whoever uses it."""
        self.run(["install", "-d", "-m", "700", places.ROOT])
        self.put(places.AGENT, bundle.build(), 0o600)

    def oneshot(self, command: str, arguments: dict[str, Any], timeout: float = 120.0) -> dict[str, Any]:
        """Run one command of the program without its daemon: its answer, see answers.

        Raises GuestError with the program's code and remedy, ``guest.program-failed``, ``guest.bad-answer``.
        """
        self.place_agent()
        asked = json.dumps(arguments).encode()
        done = self.run(["python3", places.AGENT, command], stdin=asked, timeout=timeout, check=False)
        try:
            answer = answers.parse(done.stdout)
        except GuestError:
            raise GuestError(
                f"the in-guest program did not answer {command}: {done.words}", code="live-update.guest.program-failed"
            ) from None
        return answers.result(command, answer)

    def agent(self) -> Agent:
        """The channel to the program's daemon, which is started if need be."""
        if self._agent is None or not self._agent.alive:
            running = self.run(["systemctl", "is-active", "--quiet", places.AGENT_UNIT], check=False).code == 0
            if not running:
                self.run(["sh", "-c", bundle.ROOM])
                self.place_agent()
                self.run(bundle.START)
            self._agent = Agent(self._connected().start(bundle.ATTACH))
        return self._agent

    def remove_agent(self) -> None:
        self.run(["sh", "-c", bundle.REMOVE], check=False)
        if self._agent is not None:
            self._agent.close()
            self._agent = None

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._agent = None

    def _connected(self) -> Connection:
        if self._connection is None or not self._connection.alive:
            self.close()
            self._connection = Connection(self.address, self._host_key, self._settings, self._port)
        return self._connection
