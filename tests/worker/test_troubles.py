"""What a worker says of what it cannot do: once when it begins, once when it is over."""

import logging

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from liveupdate.errors import CloudError
from liveupdate.worker.troubles import Troubles

GONE = OperationalError("SELECT secret", {"password": "secret"}, Exception("connection refused\nIs it running?"))


def test_it_is_told_once_and_once_that_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    troubles = Troubles()
    for error in (None, GONE, GONE, GONE, None, None):
        with troubles.outlived("watch"):
            if error:
                raise error
    assert caplog.messages == [
        "cannot watch: the database does not answer: connection refused",
        "can watch again, after 0 s",
    ]


def test_each_thing_and_each_kind_of_cause_is_told(caplog: pytest.LogCaptureFixture) -> None:
    troubles = Troubles()
    for what, error in (
        ("watch", GONE),
        ("be seen", GONE),
        ("watch", CloudError("Nova is away", status=503)),
        ("watch", IntegrityError("INSERT", {}, Exception("duplicate entry 'secret'"))),
    ):
        with troubles.outlived(what):
            raise error
    assert [message.partition(": ")[0] for message in caplog.messages] == ["cannot watch", "cannot be seen"] + [
        "cannot watch"
    ] * 2
    assert caplog.messages[2:] == ["cannot watch: Nova is away", "cannot watch: IntegrityError"]


def test_what_is_a_fault_of_ours_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), Troubles().outlived("watch"):
        _ = 1 / 0
