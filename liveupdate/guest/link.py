"""The link between the two machines: two ssh sessions that the original opens, one for words and one for bytes.

Both sides may call and both may send, so a move back uses the same link with the roles exchanged. Nothing passes
through the worker.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from . import wire
from .errors import GuestError, describe

#: Calls of the other side that are answered at a time; there are never more than three.
_MOST_CALLS = 32

Handler = Callable[..., dict[str, Any]]
#: Called with a frame's header and the stream its content is on; must read that content to its end.
Receiver = Callable[[dict[str, Any], IO[bytes]], None]


class Link:
    """``handlers``: what the other side may call. ``receive`` takes frames, in the order in which they were sent."""

    def __init__(self, handlers: dict[str, Handler], receive: Receiver, closed: Callable[[], None]) -> None:
        self._handlers = handlers
        self._receive = receive
        self._when_closed = closed
        self._answers: dict[int, queue.Queue[dict[str, Any]]] = {}
        self._number = 0
        self._lock = threading.Lock()
        #: Who asks for more at a time is not the program.
        self._busy = threading.Semaphore(_MOST_CALLS)
        self._arrived = threading.Condition()
        self._sending = threading.Lock()
        self._words: wire.Writer | None = None
        self._data: IO[bytes] | None = None
        #: How to end each session: closing a stream would wait for whoever reads it.
        self._ends: list[Callable[[], object]] = []
        #: Counts the connections: what belongs to an older one may not end the newer.
        self._connection = 0
        self._reset()

    def _reset(self) -> None:
        self.dead = threading.Event()
        self._frames = 0
        self._sent = 0
        self._failure: GuestError | None = None

    @property
    def alive(self) -> bool:
        return self._words is not None and self._data is not None and not self.dead.is_set()

    def take_words(self, incoming: IO[bytes], outgoing: IO[bytes], end: Callable[[], object]) -> None:
        """Take the control session of a new connection; reads it in a thread of its own. The data session follows."""
        self.close()
        self._connection += 1
        self._reset()
        self._words, self._data, self._ends = wire.Writer(outgoing), None, [end]
        arguments = (incoming, self._connection)
        threading.Thread(target=self._read_words, args=arguments, name="link-words", daemon=True).start()

    def take_data(self, incoming: IO[bytes], outgoing: IO[bytes], end: Callable[[], object]) -> None:
        with self._arrived:
            self._data = outgoing
            self._ends.append(end)
            self._arrived.notify_all()
        arguments = (incoming, self._connection)
        threading.Thread(target=self._read_data, args=arguments, name="link-data", daemon=True).start()

    def wait_whole(self, timeout: float) -> None:
        """Until both sessions are here. Raises GuestError(guest.link-broken)."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: self._data is not None or self.dead.is_set(), timeout):
                raise _broken("the opening of the data session")

    def call(self, name: str, timeout: float = 30.0, **arguments: Any) -> dict[str, Any]:
        """The other side's answer. Raises its GuestError, or guest.link-broken when it is silent."""
        if self._words is None or self.dead.is_set():
            raise _broken(name)
        answer: queue.Queue[dict[str, Any]] = queue.Queue(1)
        with self._lock:
            self._number += 1
            number = self._number
            self._answers[number] = answer
        try:
            self._words.send({"id": number, "call": name, "arguments": arguments})
            told = answer.get(timeout=timeout)
        except (queue.Empty, OSError, ValueError):
            raise _broken(name) from None
        finally:
            self._answers.pop(number, None)
        error, result = told.get("error"), told.get("result")
        if isinstance(error, dict):
            raise GuestError(*(str(error.get(key, ""))[:2000] for key in ("code", "detail", "remedy")))
        if not isinstance(result, dict):
            raise GuestError("guest.bad-message", f"the other machine's answer to {name}")
        return result

    def send(self, header: dict[str, Any], content: Callable[[IO[bytes]], Any]) -> None:
        """One frame: ``content`` writes it to the stream it is given."""
        if self._data is None:
            raise _broken("data")
        with self._sending:
            try:
                self._data.write(wire.encode(header))
                content(self._data)
                self._data.flush()
            except (OSError, ValueError) as error:
                raise GuestError("guest.link-broken", f"sending: {error}") from error
            self._sent += 1

    @property
    def sent(self) -> int:
        """Frames sent so far: what the other side must wait for."""
        return self._sent

    def wait_frames(self, count: int, timeout: float) -> None:
        """Until ``count`` frames have been taken in. Raises what went wrong with any of them."""
        with self._arrived:
            done = self._arrived.wait_for(lambda: self._failure or self._frames >= count or self.dead.is_set(), timeout)
            if self._failure:
                raise self._failure
            if not done or self._frames < count:
                raise GuestError("guest.link-broken", f"{self._frames} of {count} parts arrived in {timeout:.0f} s")

    def close(self) -> None:
        self.dead.set()
        for end in self._ends:
            with suppress(OSError):
                end()
        self._ends.clear()

    def _read_words(self, incoming: IO[bytes], connection: int) -> None:
        with suppress(OSError, ValueError, GuestError):
            while True:
                message = wire.read(incoming)
                if message is None:
                    break
                if "call" in message:
                    if not self._busy.acquire(blocking=False):
                        break
                    threading.Thread(target=self._answer, args=(message,), daemon=True).start()
                elif (waiting := self._waiting(message.get("id"))) is not None:
                    with suppress(queue.Full):
                        waiting.put_nowait(message)
        self._end(connection)

    def _waiting(self, number: object) -> queue.Queue[dict[str, Any]] | None:
        return self._answers.get(number) if isinstance(number, int) else None

    def _answer(self, message: dict[str, Any]) -> None:
        answer: dict[str, Any] = {"id": message.get("id")}
        try:
            handler = self._handlers.get(str(message["call"]))
            if handler is None:
                raise GuestError("guest.unknown-command", str(message["call"])[:80])
            answer["result"] = handler(**message.get("arguments", {}))
        except Exception as error:
            answer["error"] = describe(error)
        finally:
            self._busy.release()
        with suppress(OSError, ValueError):
            if self._words:
                self._words.send(answer)

    def _read_data(self, incoming: IO[bytes], connection: int) -> None:
        try:
            while (header := wire.read(incoming)) is not None:
                self._receive(header, incoming)
                self._count(connection)
        except Exception as error:
            told = describe(error)
            self._count(connection, GuestError(told["code"], told["detail"], told["remedy"]))
        self._end(connection)

    def _count(self, connection: int, failure: GuestError | None = None) -> None:
        """One more frame, or none ever after; what is left of an older connection does not count."""
        with self._arrived:
            if connection == self._connection:
                self._frames += failure is None
                self._failure = failure
                self._arrived.notify_all()

    def _end(self, connection: int) -> None:
        if connection != self._connection:
            return
        first = not self.dead.is_set()
        self.dead.set()
        with self._arrived:
            self._arrived.notify_all()
        for waiting in list(self._answers.values()):
            with suppress(queue.Full):
                waiting.put_nowait({"error": {"code": "guest.link-broken", "detail": "the link ended"}})
        if first:
            self._when_closed()


def _broken(what: str) -> GuestError:
    return GuestError("guest.link-broken", f"no answer from the other machine to {what}")
