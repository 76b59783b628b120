"""The channel to the in-guest program's daemon: answers find who asked, hostile words end it, silence is told."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import paramiko
import pytest

from liveupdate import waiting
from liveupdate.drivers.guest import agent as agent_module
from liveupdate.drivers.guest.agent import Agent
from liveupdate.errors import Cancelled, GuestError

Message = dict[str, Any]


class Daemon:
    """The other end; ``answer`` gives the lines for each message that comes."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self.answer: Callable[[Message], list[Any]] = lambda message: [{"id": message["id"], "result": {}}]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):  # the test is over
            for line in self._end.makefile("rb"):
                for told in self.answer(json.loads(line)):
                    self._end.sendall(told if isinstance(told, bytes) else json.dumps(told).encode() + b"\n")

    def hang_up(self) -> None:
        self._end.shutdown(socket.SHUT_RDWR)


class Channel(socket.socket):
    """A socket has nearly all that is used of a channel. ``blocked``: the guest takes nothing in."""

    blocked = False

    def send_ready(self) -> bool:
        return not self.blocked

    def close(self) -> None:
        with suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)
        super().close()


@pytest.fixture
def channel() -> Iterator[tuple[Channel, Daemon]]:
    ours, theirs = socket.socketpair()
    with theirs, Channel(fileno=ours.detach()) as made:
        yield made, Daemon(theirs)


@pytest.fixture
def ends(channel: tuple[Channel, Daemon]) -> tuple[Agent, Daemon]:
    return Agent(cast(paramiko.Channel, channel[0])), channel[1]


@pytest.fixture
def agent(ends: tuple[Agent, Daemon]) -> Agent:
    return ends[0]


@pytest.fixture
def daemon(ends: tuple[Agent, Daemon]) -> Daemon:
    return ends[1]


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(GuestError) as caught:
        call()
    return caught.value.code


def test_a_call_gets_its_own_answer_whatever_comes_between(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: [
        {"event": "frozen", "at": 1.0},
        {"id": 99, "result": {"whose": "nobody's"}},
        {"id": message["id"], "result": {"phase": f"{message['command'][:4]}-{message['arguments']['a']}"}},
    ]
    assert agent.call("hand_back", a="x") == {"phase": "hand-x"}


def test_an_error_keeps_the_programs_own_code_and_remedy(agent: Agent, daemon: Daemon) -> None:
    told = {"code": "guest.window-passed", "detail": "returned", "remedy": "try again"}
    daemon.answer = lambda message: [{"id": message["id"], "error": told}]
    with pytest.raises(GuestError) as caught:
        agent.call("open")
    assert (caught.value.code, caught.value.detail, caught.value.remedy) == tuple(told.values())


def test_a_command_that_was_sent_tells_only_if_it_has_failed(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: (
        []
        if message["command"] == "cut_over"
        else [{"id": message["id"] - 1, "error": {"code": "guest.dead"}}, *ok(message)]
    )
    look = agent.send("cut_over")
    assert look(0) is None
    agent.call("prepare")
    assert code_of(lambda: look(0)) == "guest.dead"
    assert look(0) is None


def ok(message: Message) -> list[Message]:
    return [{"id": message["id"], "result": {"phase": "idle"}}]


def test_a_daemon_that_says_nothing_is_not_waited_for_longer_than_asked(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: []
    assert code_of(lambda: agent.call("status", timeout=0.1)) == "live-update.guest.silent"
    assert agent.alive


def test_a_channel_that_ends_ends_every_wait(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: daemon.hang_up() or []  # type: ignore[func-returns-value]
    assert code_of(lambda: agent.call("status", timeout=30)) == "live-update.guest.silent"
    assert not agent.alive
    assert code_of(lambda: agent.send("open")) == "live-update.guest.silent"


@pytest.mark.parametrize("said", [b"Segmentation fault\n", b"[1, 2]\n", b"\xff\xfe\n"])
def test_what_the_program_would_never_say_ends_the_channel(agent: Agent, daemon: Daemon, said: bytes) -> None:
    daemon.answer = lambda message: [said, *ok(message)]
    assert code_of(lambda: agent.call("status", timeout=30)) == "live-update.guest.silent"


@pytest.mark.parametrize("result", [["not", "what"], None, 3, {"phase": 3}, {"phase": "ESC\x1b[2J"}, {}])
def test_an_answer_of_another_form_is_refused(agent: Agent, daemon: Daemon, result: object) -> None:
    daemon.answer = lambda message: [{"id": message["id"], "result": result}]
    assert code_of(lambda: agent.call("status")) == "live-update.guest.bad-answer"


@pytest.mark.parametrize("identity", [[1], {"id": 1}, "1", None, 1.5, True, 1 << 80])
def test_an_answer_to_nothing_is_passed_over(agent: Agent, daemon: Daemon, identity: object) -> None:
    daemon.answer = lambda message: [{"id": identity, "result": {"phase": "wrong"}}, *ok(message)] * 2
    agent.call("prepare")
    assert agent.call("hand_back") == {"phase": "idle"}


def test_who_tells_without_end_is_cut_off(agent: Agent, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "_MOST_UNASKED", 100)
    daemon.answer = lambda message: [{"event": "frozen"}] * 200 + ok(message)
    assert code_of(lambda: agent.call("prepare", timeout=30)) == "live-update.guest.silent"
    assert not agent.alive


def test_who_sends_a_line_without_end_is_cut_off(
    channel: tuple[Channel, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "_LINE_LIMIT", 1000)
    agent = Agent(cast(paramiko.Channel, channel[0]))
    channel[1].answer = lambda message: [b"x" * 100_000]
    assert code_of(lambda: agent.call("status", timeout=30)) == "live-update.guest.silent"


def test_who_nests_without_end_is_cut_off(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: [b"[" * 500_000 + b"\n"]
    assert code_of(lambda: agent.call("status", timeout=30)) == "live-update.guest.silent"


def test_a_guest_that_takes_nothing_in_holds_nobody_up(
    channel: tuple[Channel, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_module, "_TAKING", 0.1)
    channel[0].blocked = True
    assert code_of(lambda: Agent(cast(paramiko.Channel, channel[0])).call("status", timeout=30)).endswith("silent")


@pytest.mark.parametrize("code", ["live-update.cut-over.opened", "guest." + "x" * 200, "guest.ok\n", 7, None, ["a"]])
def test_a_guest_speaks_with_the_programs_codes_only(agent: Agent, daemon: Daemon, code: object) -> None:
    told = {"code": code, "detail": "\x1b]0;owned\x07red\x1b[31m\x00\ud800", "remedy": {"no": "text"}}
    daemon.answer = lambda message: [{"id": message["id"], "error": told}]
    with pytest.raises(GuestError) as caught:
        agent.call("open")
    assert (caught.value.code, caught.value.detail, caught.value.remedy) == ("guest.failed", "red\ufffd\ufffd", "")


@pytest.mark.parametrize(
    "ask",
    [lambda agent: agent.call("prepare", timeout=60), lambda agent: agent.send("precopy")(60)],
    ids=["call", "send"],
)
def test_an_answer_that_nobody_wants_any_more_is_not_waited_for(
    agent: Agent, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Agent], object]
) -> None:
    def unwanted() -> None:
        raise Cancelled

    monkeypatch.setattr(waiting, "INTERVAL", 0.2)
    daemon.answer = lambda message: []
    began = time.monotonic()
    with waiting.asking(unwanted), pytest.raises(Cancelled):
        ask(agent)
    assert time.monotonic() - began < 30, "nobody interrupts it for a minute"
    daemon.answer = lambda message: [{"id": message["id"], "result": {}}]
    assert agent.call("finish") == {}
