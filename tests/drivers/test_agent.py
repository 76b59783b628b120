"""The channel to the in-guest program's daemon: answers find who asked, hostile words end it, silence is told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import paramiko
import pytest

from liveupdate.drivers.guest.agent import Agent
from liveupdate.errors import GuestError

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


@pytest.fixture
def ends() -> Iterator[tuple[Agent, Daemon]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # a socket has what is used of a channel
        yield Agent(cast(paramiko.Channel, ours)), Daemon(theirs)


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
        {"id": message["id"], "result": {"asked": [message["command"], message["arguments"]]}},
    ]
    assert agent.call("status", a=1) == {"asked": ["status", {"a": 1}]}
    assert agent.wait_event({"frozen"}, 10)["at"] == 1.0


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
    look()
    agent.call("status")
    assert code_of(look) == "guest.dead"


def ok(message: Message) -> list[Message]:
    return [{"id": message["id"], "result": {}}]


def test_a_daemon_that_says_nothing_is_not_waited_for_longer_than_asked(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: []
    assert code_of(lambda: agent.call("status", timeout=0.1)) == "live-update.guest.silent"
    assert agent.alive


def test_a_channel_that_ends_ends_every_wait(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: daemon.hang_up() or []  # type: ignore[func-returns-value]
    assert code_of(lambda: agent.call("status", timeout=600)) == "live-update.guest.silent"
    assert code_of(lambda: agent.wait_event({"ready"}, 600)) == "live-update.guest.silent"
    assert not agent.alive
    assert code_of(lambda: agent.send("open")) == "live-update.guest.silent"


@pytest.mark.parametrize("said", [b"Segmentation fault\n", b"[1, 2]\n", b"\xff\xfe\n"])
def test_what_the_program_would_never_say_ends_the_channel(agent: Agent, daemon: Daemon, said: bytes) -> None:
    daemon.answer = lambda message: [said, *ok(message)]
    assert code_of(lambda: agent.call("status", timeout=600)) == "live-update.guest.silent"


def test_an_answer_that_is_no_object_is_taken_for_an_empty_one(agent: Agent, daemon: Daemon) -> None:
    daemon.answer = lambda message: [{"id": message["id"], "result": ["not", "what"]}]
    assert agent.call("status") == {}
