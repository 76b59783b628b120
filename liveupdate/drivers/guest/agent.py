"""The channel to the daemon of the in-guest program: JSON lines, calls and their answers. See liveupdate/guest."""

import json
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import paramiko

from liveupdate import waiting
from liveupdate.drivers.guest import answers
from liveupdate.errors import GuestError

#: Bytes of one answer; a guest that sends more is cut off.
_LINE_LIMIT = 4 << 20
#: Messages that nobody has asked for, the program's events: one that tells more of them is cut off.
_MOST_UNASKED = 10_000
#: Seconds for a guest to take a command in.
_TAKING = 30.0
#: Seconds at a time that are waited for an answer.
_SLICE = 1.0

SILENT = "live-update.guest.silent"
#: One slot: who answers twice is heard once.
_Slot = queue.Queue[dict[str, Any]]


class Agent:
    """One attached channel. Calls may come from several threads."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._next = 0
        self._lock = threading.Lock()
        self._answers: dict[int, _Slot] = {}
        self._unasked = 0
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="agent", daemon=True).start()

    @property
    def alive(self) -> bool:
        return not self._closed.is_set()

    def call(self, command: str, *, timeout: float = 60.0, **arguments: Any) -> dict[str, Any]:
        """The command's answer, see answers.

        Raises GuestError with the program's own code and remedy, ``guest.bad-answer``, or ``guest.silent``.
        """
        number, slot = self._ask(command, arguments)
        end = time.monotonic() + timeout
        try:
            while True:
                waiting.look()
                # before looking: an answer may be the last thing that comes
                over = self._closed.is_set() or time.monotonic() > end
                if (told := _look(command, slot, 0.2)) is not None:
                    return told
                if over:
                    raise _silent(command)
        finally:
            self._answers.pop(number, None)

    def send(self, command: str, **arguments: Any) -> Callable[[float], dict[str, Any] | None]:
        """Start a command without waiting for it; what is returned waits so many seconds for its answer.

        It gives None if there is none yet, and the answer once; it raises as ``call`` does, but for silence: that is
        for other calls to find out.
        """
        _, slot = self._ask(command, arguments)
        return partial(_look, command, slot)

    def _ask(self, command: str, arguments: dict[str, Any]) -> tuple[int, _Slot]:
        slot = _Slot(1)
        with self._lock:
            self._next += 1
            self._answers[self._next] = slot
            line = json.dumps({"id": self._next, "command": command, "arguments": arguments}) + "\n"
            try:
                self._write(line.encode())
            except OSError:
                raise _silent(command) from None
            return self._next, slot

    def _write(self, data: bytes) -> None:
        """Raises OSError, also when the guest does not take it: then nothing that follows would make sense to it."""
        end = time.monotonic() + _TAKING
        while data:
            if self._channel.send_ready():
                data = data[self._channel.send(data) :]
            elif self._closed.is_set() or time.monotonic() > end:
                self._channel.close()
                raise TimeoutError
            else:
                time.sleep(0.01)

    def close(self) -> None:
        self._channel.close()

    def _read(self) -> None:
        # a guest that says what the program would never say is not listened to any longer
        try:
            with self._channel.makefile("rb") as lines:
                while (line := lines.readline(_LINE_LIMIT)) and self._unasked < _MOST_UNASKED:
                    self._take(answers.parse(bytes(line)))
        except (OSError, GuestError):
            pass
        finally:
            self._closed.set()
            self._channel.close()

    def _take(self, message: dict[str, Any]) -> None:
        number = message.get("id")
        slot = self._answers.get(number) if isinstance(number, int) else None
        if slot is None:
            self._unasked += 1
            return
        with suppress(queue.Full):
            slot.put_nowait(message)


def _look(command: str, slot: _Slot, seconds: float) -> dict[str, Any] | None:
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            answer = slot.get(timeout=min(left, _SLICE)) if left > 0 else slot.get_nowait()
        except queue.Empty:
            if left <= _SLICE:
                return None
            waiting.look()
            continue
        return answers.result(command, answer)


def _silent(what: str) -> GuestError:
    return GuestError(
        f"no answer from the guest to {what}",
        code=SILENT,
        remedy="the job looks at what happened and goes on from there",
    )
