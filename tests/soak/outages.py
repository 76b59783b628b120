"""The broker goes away and comes back, while jobs go on."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from tests.soak.broker import Broker


class Outages:
    """``ended``: how many jobs have by now. One outage at a time; nobody waits for it before the end."""

    def __init__(self, broker: Broker, ended: Callable[[], int]) -> None:
        self._broker = broker
        self._ended = ended
        self._one = ThreadPoolExecutor(1)
        self._begun: list[Future[int]] = []

    def __enter__(self) -> "Outages":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._one.shutdown()

    def begin(self, due: int) -> None:
        """The next one, if fewer than ``due`` have begun and none is under way."""
        if len(self._begun) < due and all(each.done() for each in self._begun):
            self._begun.append(self._one.submit(self._outage))

    def over(self) -> tuple[int, ...]:
        """Once all that have begun are over: the jobs that ended in each."""
        return tuple(each.result() for each in self._begun)

    def _outage(self) -> int:
        self._broker.stop()
        before = self._ended()
        self._broker.start()
        return self._ended() - before
