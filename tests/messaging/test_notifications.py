"""What is told on the bus: versioned, the same as the samples, stable under repetition; a broker away is no harm."""

from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from liveupdate.api.audit import EVENT_TYPE
from liveupdate.messaging import notifications, transport
from liveupdate.messaging.bus import BUS, Bus
from liveupdate.messaging.channels import Undelivered
from liveupdate.model import Happening
from liveupdate.states import JobState
from liveupdate.testing.samples import audit_sample, happening, notification_samples
from tests.waiting import PATIENCE

DOCS = Path(__file__).parents[2] / "docs" / "notifications"


def told(what: Happening) -> notifications.Notification:
    note = notifications.of(what)
    assert note is not None
    return note


def test_the_samples_are_current() -> None:
    found = {path.name: path.read_text() for path in DOCS.glob("*.json")}
    assert found.pop(f"{EVENT_TYPE}.json") == audit_sample(), "write it anew: python -m liveupdate.testing.samples ."
    assert found == notification_samples(), "write them anew: python -m liveupdate.testing.samples ."


def test_an_event_of_ours_is_not_told() -> None:
    inner = happening("step.started")
    assert notifications.of(replace(inner, event=replace(inner.event, type="lease.taken_over"))) is None


def test_a_repetition_has_the_same_id_and_another_event_has_not() -> None:
    one = happening("job.started")
    assert told(one).id == told(one).id
    assert told(one).id != told(replace(one, event=replace(one.event, id=4712))).id


@pytest.mark.parametrize("type", list(notifications.EVENT_TYPES))
def test_what_became_of_the_job_since_changes_nothing(type: str) -> None:
    then = happening(type)
    later = replace(then.job, state=JobState.SUCCEEDED, reason="x", step="tidy", progress=100, trust_id="")
    assert told(replace(then, job=later)) == told(then)


@pytest.mark.parametrize("type", list(notifications.EVENT_TYPES))
def test_nothing_else_of_the_event_or_the_job_slips_through(type: str) -> None:
    one = happening(type)
    event = replace(one.event, detail={**one.event.detail, "inner": "hunter2"})
    job = replace(one.job, parameters={"password": "hunter2"}, trust_id="hunter2")
    assert "hunter2" not in str(told(replace(one, event=event, job=job)).as_json())


class Consumer:
    def __init__(self) -> None:
        self.heard: Queue[tuple[str, str, Any, str]] = Queue()

    def info(self, ctxt: Any, publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        self.heard.put(("info", event_type, payload, metadata["message_id"]))

    def error(self, ctxt: Any, publisher: str, event_type: str, payload: Any, metadata: Any) -> None:
        self.heard.put(("error", event_type, payload, metadata["message_id"]))


def test_a_stock_listener_hears_it_on_the_bus() -> None:
    import oslo_messaging  # only after transport has said that it works on threads

    consumer, bus = Consumer(), Bus("fake://", "told")
    targets = [transport.Target(topic="told")]
    listener = oslo_messaging.get_notification_listener(
        transport.notifications("fake://"), targets, [consumer], executor="threading"
    )
    listener.start()
    start, error = (told(happening(type)) for type in ("job.started", "job.needs_attention"))
    assert bus.receivers(happening("job.started").job, start) == (BUS,)
    bus.tell(start)
    bus.tell(error)
    heard = sorted(consumer.heard.get(timeout=PATIENCE) for _ in range(2))
    listener.stop()
    listener.wait()
    assert heard == [
        ("error", "live_update.job.error", error.payload, error.id),
        ("info", "live_update.job.start", start.payload, start.id),
    ]


def test_a_broker_that_is_away_refuses_without_a_word_of_its_password() -> None:
    with pytest.raises(Undelivered) as refused:
        Bus("rabbit://u:hunter2@127.0.0.1:1/", "told").tell(told(happening("job.started")))
    assert "hunter2" not in str(refused.value)
    assert refused.value.__cause__ is None
