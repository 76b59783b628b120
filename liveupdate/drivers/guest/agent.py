"""The channel to the daemon of the in-guest program: JSON lines, calls and events. See liveupdate/guest."""

import json
import queue
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

import paramiko

from liveupdate.errors import GuestError

#: Bytes of one answer; a guest that sends more is cut off.
_LINE_LIMIT = 4 << 20


class Agent:
    """One attached channel. Calls may come from several threads; events wait until somebody asks for them."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._next = 0
        self._lock = threading.Lock()
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._events: queue.Queue[dict[str, Any]] = queue.Queue()
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="agent", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._closed.is_set()

    def call(self, command: str, *, timeout: float = 60.0, **arguments: Any) -> dict[str, Any]:
        """The command's result. Raises GuestError with the program's own code and remedy, or ``guest.silent``."""
        number, answer = self._ask(command, arguments)
        end = time.monotonic() + timeout
        try:
            while True:
                try:
                    return _result(answer.get(timeout=0.2))
                except queue.Empty:
                    if self._closed.is_set() or time.monotonic() > end:
                        raise _silent(command) from None
        finally:
            self._answers.pop(number, None)

    def send(self, command: str, **arguments: Any) -> Callable[[], None]:
        """Start a command without waiting for it; what is returned raises the GuestError it has ended with, if it has.

        Raises ``guest.silent``.
        """
        _, answer = self._ask(command, arguments)

        def look() -> None:
            with suppress(queue.Empty):
                _result(answer.get_nowait())

        return look

    def _ask(self, command: str, arguments: dict[str, Any]) -> tuple[int, queue.Queue[dict[str, Any]]]:
        answer: queue.Queue[dict[str, Any]] = queue.Queue()
        with self._lock:
            self._next += 1
            self._answers[self._next] = answer
            line = json.dumps({"id": self._next, "command": command, "arguments": arguments}) + "\n"
            try:
                self._channel.sendall(line.encode())
            except OSError:
                raise _silent(command) from None
            return self._next, answer

    def wait_event(self, names: Collection[str], timeout: float) -> dict[str, Any]:
        """The next event with one of these names; others are passed over. Raises GuestError ``guest.silent``."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=min(left, 0.2))
            except queue.Empty:
                if self._closed.is_set():
                    break
                continue
            if event["event"] in names:
                return event
        raise _silent(" or ".join(sorted(names)))

    def close(self) -> None:
        self._channel.close()

    def _read(self) -> None:
        try:
            with self._channel.makefile("rb") as lines:
                while line := lines.readline(_LINE_LIMIT):
                    if not self._take(bytes(line)):
                        break
        except OSError:
            pass
        finally:
            self._closed.set()

    def _take(self, line: bytes) -> bool:
        """Hand one line on; False for what the program would never send."""
        try:
            message = json.loads(line)
        except ValueError:
            return False
        if not isinstance(message, dict):
            return False
        if isinstance(message.get("event"), str):
            self._events.put(message)
        elif (waiting := self._answers.get(message.get("id", 0))) is not None:
            waiting.put(message)
        return True


def _result(message: dict[str, Any]) -> dict[str, Any]:
    error = message.get("error")
    if isinstance(error, dict):
        code, detail, remedy = (str(error.get(k, ""))[:2000] for k in ("code", "detail", "remedy"))
        raise GuestError(detail, code=code or "guest.failed", remedy=remedy)
    result = message.get("result")
    return result if isinstance(result, dict) else {}


def _silent(what: str) -> GuestError:
    return GuestError(
        f"no answer from the guest to {what}",
        code="live-update.guest.silent",
        remedy="the job looks at what happened and goes on from there",
    )
