"""What comes on a guest's channels while a freeze, or a call, waits for it: whatever it is, it ends, and is bounded."""

import io
import json
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import paramiko
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.guest.agent import Agent
from liveupdate.drivers.guest.connection import Connection
from liveupdate.drivers.guest.freeze import Frozen, freeze
from tests.drivers.told import ANSWERS
from tests.lies import JSON, fit_to_keep, garbled, ours, spoiled
from tests.waiting import PATIENCE


class Channel:
    """Says ``words``, once it has been ``asked``, and then nothing more."""

    def __init__(self, words: bytes) -> None:
        self._words = io.BytesIO(words)
        self.asked = threading.Event()
        self.heard = 0

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.asked.set()

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def sendall(self, data: bytes) -> None:
        """It is taken in."""

    def recv(self, most: int) -> bytes:
        self.heard += most
        return self._words.read(most)

    def send_ready(self) -> bool:
        return True

    def send(self, data: bytes) -> int:
        return len(data)

    def makefile(self, mode: str) -> "Channel":
        return self

    def readline(self, most: int) -> bytes:
        assert self.asked.wait(PATIENCE)
        return self._words.readline(most)


class Connected:
    """A connection whose every command is the one channel."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def start(self, argv: list[str]) -> Channel:
        return self._channel


@settings(deadline=None)
@given(garbled(b"frozen 1700000000.5\nthawed 100.25 100.75\n"))
@example(b"frozen 1700000000.5\nthawed 900.0 100.0\n")
@example(b"frozen 1700000000.5\nthawed 1.0 999999999999.0\n")
@example(b"frozen 1700000000.5\nlate 1.0 2.0\n")
@example(b"frozen " * 1000)
def test_a_freeze_is_told_of_as_it_can_have_been_or_has_failed(words: bytes) -> None:
    channel, began = Channel(words), time.monotonic()

    def frozen() -> Frozen:
        with freeze(cast(Connection, Connected(channel)), ["/"], 20.0) as told:
            assert 0 <= told.since <= 1e12
        return told

    if told := ours(frozen, "live-update.guest.freeze-failed", "live-update.guest.freeze-late"):
        assert 0 <= told.milliseconds <= 1000 * (time.monotonic() - began) + 1
    assert channel.heard <= 400, "two lines of it"


#: The first command's number, another's, and what is none.
NUMBERS = st.sampled_from([1, 1, 1, 2, 7, True, "1", None, [1], 1 << 80])
MESSAGES = st.fixed_dictionaries(
    {}, optional={"id": NUMBERS, "result": spoiled(ANSWERS["status"]), "error": spoiled({"code": "guest.x"})}
)
LINES = st.lists(
    MESSAGES.map(lambda told: json.dumps(told).encode()) | JSON.map(lambda told: json.dumps(told).encode())
)


@settings(deadline=None, max_examples=40)
@given(LINES, st.booleans())
@example([json.dumps({"id": 1, "result": ANSWERS["status"]}).encode()], True)
@example([b'{"id": 1}', b'{"id": 1, "result": ' + b"[" * 100_000], True)
def test_an_answer_reaches_who_asked_for_it_and_the_channel_ends_when_the_guest_does(
    lines: list[bytes], whole: bool
) -> None:
    channel = Channel(b"\n".join(lines) + (b"\n" if whole else b""))
    agent = Agent(cast(paramiko.Channel, channel))
    look, other = agent.send("status"), agent.send("probe")
    channel.asked.set()
    assert agent._closed.wait(PATIENCE)
    assert not agent.alive
    told = heard(look)
    assert told is None or any(numbered(line, 1) for line in lines)
    assert heard(other) is None or any(numbered(line, 2) for line in lines)
    assert heard(look) is None, "who answers twice is heard once"
    assert agent._unasked <= len(lines)


def heard(look: Callable[[float], Any]) -> Any:
    told = ours(lambda: look(0))
    fit_to_keep(told)
    return told


def numbered(line: bytes, number: int) -> bool:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("id") == number
