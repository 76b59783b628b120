"""A nudge reaches every worker that listens; without a broker, or with one that is away, nothing breaks."""

import logging
import threading
from collections.abc import Callable
from threading import Event
from types import SimpleNamespace

import pytest

from liveupdate.messaging import transport
from liveupdate.messaging.nudge import Listener, Nudger
from tests.waiting import PATIENCE, until


def rabbit() -> str:
    """The lab's broker."""
    from lab import settings
    from lab.passwords import password

    return f"rabbit://lab:{password('rabbitmq')}@{settings.PUBLIC_ADDRESS}:{settings.RABBITMQ_PORT}/"


EACH_BROKER = pytest.mark.parametrize("broker", [lambda: "fake://", pytest.param(rabbit, marks=pytest.mark.lab)])


@EACH_BROKER
def test_every_worker_hears_a_nudge(broker: Callable[[], str]) -> None:
    heard = {name: Event() for name in ("one", "two")}
    listeners = [Listener(broker(), name, event.set) for name, event in heard.items()]
    nudger = Nudger(broker())

    def all_have() -> bool:
        # until both listen
        nudger.nudge()
        return all(event.is_set() for event in heard.values())

    until(all_have)
    for listener in listeners:
        listener.stop()


@EACH_BROKER
def test_of_a_listener_that_has_stopped_no_thread_stays(broker: Callable[[], str]) -> None:
    nudger, heard, before = Nudger(broker()), Event(), set(threading.enumerate())
    listener = Listener(broker(), "one", heard.set)

    def hears() -> bool:
        nudger.nudge()
        return heard.is_set()

    until(hears)
    listener.stop()
    # the nudger's connection has one, too
    left = {thread.name for thread in set(threading.enumerate()) - before} - {"Rabbit-heartbeat"}
    assert left == set()


def test_a_listener_whose_broker_has_never_been_there_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    there, gone = Event(), Event()
    server = SimpleNamespace(start=there.wait, stop=lambda: None, wait=gone.set)
    monkeypatch.setattr(transport, "rpc_server", lambda *_: server)
    listener = Listener("rabbit://", "one", Event().set)
    listener.stop()
    assert not gone.is_set()
    there.set()
    assert gone.wait(PATIENCE), "once the broker is there, the listener leaves it"


def test_without_a_broker_nobody_listens_and_nudging_does_nothing() -> None:
    Nudger("").nudge()
    Listener("", "one", Event().set).stop()


def test_a_broker_that_is_away_costs_a_warning_without_its_password(caplog: pytest.LogCaptureFixture) -> None:
    told = Event()

    def tell(record: logging.LogRecord) -> bool:
        if "does not take a nudge" in record.msg:
            told.set()
        return True

    caplog.handler.addFilter(tell)
    Nudger("rabbit://u:secret@127.0.0.1:1/").nudge()
    assert told.wait(PATIENCE)
    assert "secret" not in caplog.text
