"""A nudge reaches every worker that listens; without a broker, or with one that is away, nothing breaks."""

import logging
import threading
from collections.abc import Callable
from threading import Event

import pytest

from liveupdate.messaging.nudge import Listener, Nudger
from tests.waiting import PATIENCE, until


def rabbit() -> str:
    """The lab's broker."""
    from lab import settings
    from lab.passwords import password

    return f"rabbit://lab:{password('rabbitmq')}@{settings.PUBLIC_ADDRESS}:{settings.RABBITMQ_PORT}/"


@pytest.mark.parametrize("broker", [lambda: "fake://", pytest.param(rabbit, marks=pytest.mark.lab)])
def test_every_worker_hears_a_nudge(broker: Callable[[], str]) -> None:
    before = set(threading.enumerate())
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
    # those of who nudges: it goes with its process
    assert {t.name for t in threading.enumerate() if t not in before} <= {"nudger", "Rabbit-heartbeat"}


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
