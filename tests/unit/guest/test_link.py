"""The link between two machines, over socket pairs: both may call, both may send, and an end is told to who waits."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any, cast

import pytest

from liveupdate.guest import wire
from liveupdate.guest.errors import GuestError
from liveupdate.guest.link import Handler, Link
from tests.waiting import PATIENCE, until


class Side:
    """One machine's link, with what it was sent."""

    def __init__(self, handlers: dict[str, Handler] | None = None) -> None:
        self.frames: list[tuple[dict[str, Any], bytes]] = []
        self.closed = threading.Event()
        self.link = Link(handlers or {}, self._receive, self.closed.set)

    def _receive(self, header: dict[str, Any], stream: IO[bytes]) -> None:
        if header.get("bad"):
            raise GuestError("guest.disk-full", "no room")
        self.frames.append((header, stream.read(header["size"])))

    def send(self, content: bytes, **header: Any) -> None:
        self.link.send({"size": len(content), **header}, lambda out: out.write(content))


def join(a: Side, b: Side) -> list[socket.socket]:
    """A new connection: words, then data. Returns the sockets, whose ends may be cut."""
    opened: list[socket.socket] = []
    for take in ("take_words", "take_data"):
        pair = socket.socketpair()
        opened += pair
        for side, sock in zip((a, b), pair, strict=True):
            stream = cast(IO[bytes], sock.makefile("rwb"))
            getattr(side.link, take)(stream, stream, partial(sock.shutdown, socket.SHUT_RDWR))
    return opened


@contextmanager
def calling(side: Side) -> Iterator[list[str]]:
    """Somebody waits for an answer that does not come by itself; afterwards the code of the error that he got."""
    told: list[str] = []

    def call() -> None:
        try:
            side.link.call("hang", PATIENCE)
        except GuestError as error:
            told.append(error.code)

    caller = threading.Thread(target=call)
    caller.start()
    until(lambda: side.link._answers)
    yield told
    caller.join(PATIENCE)
    assert not caller.is_alive()


@contextmanager
def linked(mine: dict[str, Handler], theirs: dict[str, Handler]) -> Iterator[tuple[Side, Side]]:
    """Two sides with these handlers, and both with "hang", which is answered when all is over."""
    over = threading.Event()

    def hang() -> dict[str, Any]:
        over.wait(PATIENCE)
        return {}

    a, b = Side({"hang": hang, **mine}), Side({"hang": hang, **theirs})
    sockets = join(a, b)
    yield a, b
    over.set()
    for side in (a, b):
        side.link.close()
    for sock in sockets:
        sock.close()


def echo(**told: Any) -> dict[str, Any]:
    return told


@pytest.fixture
def pair() -> Iterator[tuple[Side, Side]]:
    def fail() -> dict[str, Any]:
        raise GuestError("guest.not-granted", "no", "wait")

    with linked({"echo": echo}, {"echo": echo, "fail": fail}) as sides:
        yield sides


def test_both_sides_may_call(pair: tuple[Side, Side]) -> None:
    for side in pair:
        assert side.link.call("echo", word="x") == {"word": "x"}


def test_an_error_of_the_other_side_arrives_as_it_was(pair: tuple[Side, Side]) -> None:
    with pytest.raises(GuestError) as caught:
        pair[0].link.call("fail")
    assert caught.value.as_json() == {"code": "guest.not-granted", "detail": "no", "remedy": "wait"}


def test_what_the_other_side_does_not_know_is_told(pair: tuple[Side, Side]) -> None:
    with pytest.raises(GuestError) as caught:
        pair[0].link.call("format")
    assert caught.value.code == "guest.unknown-command"


def test_frames_arrive_in_order_and_are_counted(pair: tuple[Side, Side]) -> None:
    a, b = pair
    for number in range(20):
        a.send(b"%d" % number * 1000, number=number)
    b.link.wait_frames(a.link.sent, PATIENCE)
    assert [header["number"] for header, _ in b.frames] == list(range(20))
    assert b.frames[7][1] == b"7" * 1000


def test_a_frame_that_cannot_be_taken_fails_who_waits_for_it(pair: tuple[Side, Side]) -> None:
    a, b = pair
    a.send(b"", bad=True)
    with pytest.raises(GuestError) as caught:
        b.link.wait_frames(1, PATIENCE)
    assert caught.value.code == "guest.disk-full"


def test_a_caller_that_waits_is_told_of_the_end(pair: tuple[Side, Side]) -> None:
    a, b = pair
    with calling(a) as told:
        b.link.close()
    assert told == ["guest.link-broken"]
    assert a.closed.wait(PATIENCE)


def test_nothing_is_asked_of_a_link_that_has_ended(pair: tuple[Side, Side]) -> None:
    pair[1].link.close()
    assert pair[0].closed.wait(PATIENCE)
    assert not pair[0].link.alive
    with pytest.raises(GuestError) as caught:
        pair[0].link.call("echo", PATIENCE)
    assert caught.value.code == "guest.link-broken"


def test_a_link_that_ends_does_not_let_anybody_wait_for_its_frames(pair: tuple[Side, Side]) -> None:
    pair[0].link.close()
    with pytest.raises(GuestError) as caught:
        pair[1].link.wait_frames(1, PATIENCE)
    assert caught.value.code == "guest.link-broken"


def test_a_new_connection_takes_the_place_of_the_old_one(pair: tuple[Side, Side]) -> None:
    a, b = pair
    a.send(b"before")
    b.link.wait_frames(1, PATIENCE)
    b.frames.clear()
    sockets = join(a, b)
    assert a.link.call("echo", word="again") == {"word": "again"}
    a.send(b"after")
    b.link.wait_frames(a.link.sent, PATIENCE)
    assert [content for _, content in b.frames] == [b"after"]
    for sock in sockets:
        sock.close()


def test_what_is_left_of_an_old_connection_does_not_count_in_the_new_one() -> None:
    """A frame that is still being taken in when the link is opened anew: neither it nor its failure belongs there."""
    taking, go_on = threading.Event(), threading.Event()
    failures = [None, GuestError("guest.link-broken", "cut")]

    def receive(header: dict[str, Any], stream: IO[bytes]) -> None:
        taking.set()
        go_on.wait(PATIENCE)
        if failure := failures.pop():
            raise failure

    for _ in (1, 2):
        taking.clear()
        go_on.clear()
        link = Link({}, receive, lambda: None)
        others = set(threading.enumerate())
        ends = _take(link)
        ends[3].sendall(wire.encode({"size": 0}))
        assert taking.wait(PATIENCE)
        old = next(t for t in set(threading.enumerate()) - others if t.name == "link-data")
        ends += _take(link)
        go_on.set()
        old.join(PATIENCE)
        with pytest.raises(GuestError) as caught:
            link.wait_frames(1, 0.01)
        assert "0 of 1" in caught.value.detail
        link.close()
        for sock in ends:
            sock.close()


def _take(link: Link) -> list[socket.socket]:
    """Sockets: ours and the other end's, for words and for data."""
    words, data = socket.socketpair(), socket.socketpair()
    for take, (ours, _) in ((link.take_words, words), (link.take_data, data)):
        stream = cast(IO[bytes], ours.makefile("rwb"))
        take(stream, stream, partial(ours.shutdown, socket.SHUT_RDWR))
    return [*words, *data]
