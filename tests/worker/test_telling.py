"""The teller: jobs do not notice it, who is away is told later, in order, and stop is prompt."""

from collections.abc import Sequence
from queue import Queue
from threading import Event

import pytest
from sqlalchemy import Engine, update

from liveupdate.db.session import write
from liveupdate.db.tables import deliveries
from liveupdate.messaging.channels import Undelivered
from liveupdate.messaging.notifications import Notification
from liveupdate.model import Happening, Job
from liveupdate.testing.jobs import accept, work_once
from liveupdate.testing.steps import World
from liveupdate.worker.telling import Teller
from tests.waiting import PATIENCE

WHOLE = ["job.start", *(f"step.{end}" for _ in range(6) for end in ("start", "end")), "job.end"]


class Wire:
    """A channel with one receiver."""

    def __init__(self, name: str = "wire") -> None:
        self.name = name
        self.told: Queue[Notification] = Queue()
        self.away = False
        self.broken = False

    def receivers(self, job: Job, note: Notification) -> Sequence[str]:
        return (self.name,)

    def send(self, receiver: str, job: Job, note: Notification) -> None:
        assert receiver == self.name
        if self.broken:
            raise ZeroDivisionError
        if self.away:
            raise Undelivered("not now")
        self.told.put(note)

    def names(self) -> list[str]:
        return [self.told.get_nowait().event_type.removeprefix("live_update.") for _ in range(self.told.qsize())]


@pytest.fixture
def job_id(sqlite: Engine) -> str:
    """A job that has run from end to end."""
    made = accept(sqlite)
    work_once(sqlite, World())
    return made


def teller(engine: Engine, *channels: Wire, heard: list[Happening] | None = None) -> Teller:
    return Teller(engine, channels, 0.05, (heard if heard is not None else []).append)


def wake(engine: Engine) -> None:
    write(engine, lambda connection: connection.execute(update(deliveries).values(due_at=0)))


def test_a_job_is_told_from_its_start_to_its_end(sqlite: Engine, job_id: str) -> None:
    wire, heard = Wire(), []  # type: ignore[var-annotated]
    telling = teller(sqlite, wire, heard=heard)
    telling.fan_out()
    telling.serve("wire")
    assert wire.names() == WHOLE
    assert [h.event.type for h in heard][:2] == ["job.created", "job.started"]
    telling.fan_out()
    telling.serve("wire")
    assert wire.names() == []


def test_who_is_away_is_told_later_and_the_others_now(sqlite: Engine, job_id: str) -> None:
    wire, other = Wire(), Wire("other")
    wire.away = True
    telling = teller(sqlite, wire, other)
    telling.fan_out()
    telling.serve("wire")
    telling.serve("other")
    assert (wire.names(), other.names()) == ([], WHOLE)
    wire.away = False
    telling.serve("wire")
    assert wire.names() == []
    wake(sqlite)
    telling.serve("wire")
    assert wire.names() == WHOLE


def test_a_defect_of_a_channel_costs_no_event_of_another(
    sqlite: Engine, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    wire, other = Wire(), Wire("other")
    wire.broken = True
    telling = teller(sqlite, wire, other)
    telling.fan_out()
    telling.serve("wire")
    telling.serve("other")
    assert other.names() == WHOLE
    assert "ZeroDivisionError" in caplog.text


def test_a_channel_that_is_configured_no_more_is_forgotten(sqlite: Engine, job_id: str) -> None:
    wire = Wire()
    teller(sqlite, wire).fan_out()
    teller(sqlite).serve("wire")
    teller(sqlite, wire).serve("wire")
    assert wire.names() == []


def test_the_thread_tells_what_happens_and_stops(sqlite: Engine) -> None:
    wire = Wire()
    telling = teller(sqlite, wire)
    telling.start()
    accept(sqlite)
    work_once(sqlite, World())
    told = [wire.told.get(timeout=PATIENCE).event_type.removeprefix("live_update.") for _ in WHOLE]
    telling.stop()
    assert told == WHOLE


def test_a_receiver_that_hangs_keeps_nobody_else_waiting(sqlite: Engine) -> None:
    hangs, go_on = Event(), Event()

    class Slow(Wire):
        def send(self, receiver: str, job: Job, note: Notification) -> None:
            hangs.set()
            assert go_on.wait(PATIENCE)

    other = Wire("other")
    telling = teller(sqlite, Slow("slow"), other)
    telling.start()
    accept(sqlite)
    work_once(sqlite, World())
    assert hangs.wait(PATIENCE)
    assert [other.told.get(timeout=PATIENCE) for _ in WHOLE]
    go_on.set()
    telling.stop()
