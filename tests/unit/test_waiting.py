"""Who waits long asks now and then whether it is still wanted."""

import threading
import time

import pytest

from liveupdate import waiting


class Unwanted(BaseException):
    pass


def test_it_is_asked_after_a_while_and_not_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with waiting.asking(lambda: asked.append(now[0])):
        for _ in range(100):
            waiting.look()
            now[0] += 0.1
    assert [round(at) for at in asked] == [3, 6, 9]


def test_a_cancel_is_heard_within_seconds() -> None:
    assert waiting.INTERVAL <= 5


def test_what_is_raised_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwanted() -> None:
        raise Unwanted

    monkeypatch.setattr(waiting, "INTERVAL", 0.0)
    with pytest.raises(Unwanted), waiting.asking(unwanted):
        waiting.look()


def test_outside_and_in_other_threads_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(waiting, "INTERVAL", 0.0)
    waiting.look()
    with waiting.asking(lambda: asked.append("asked")):
        other = threading.Thread(target=waiting.look)
        other.start()
        other.join()
        assert asked == []
        waiting.look()
    waiting.look()
    assert asked == ["asked"]
