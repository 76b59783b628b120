"""The named points of a job at which something can go wrong: before and after every cloud call, guest command and use
of the journal. They are told of by stand-ins around a worker's clouds, guests and journal, doubles or real ones.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from liveupdate.engine import course


@dataclass(frozen=True)
class Point:
    """``kind`` is "cloud", "guest" or "journal"; ``who`` the cloud's identity ("user", "service") or the guest's side.

    ``step`` is the id of the step at hand, "" before the first; ``way`` "apply" or "undo".
    """

    step: str
    way: str
    when: str
    kind: str
    who: str
    call: str

    def __str__(self) -> str:
        return f"{self.when} {self.kind} {self.who} {self.call}".replace("  ", " ")


class Points:
    """Calls ``reach`` at each point; what that raises is raised there."""

    def __init__(self, reach: Callable[[Point], None]) -> None:
        self._reach = reach
        self.step, self.way = "", "apply"

    def cloud(self, cloud: Any, who: str) -> Any:
        return _Services(self, cloud, who)

    def guest(self, guest: Any, side: str) -> Any:
        return _Guest(self, guest, side)

    def journal(self, journal: Any) -> Any:
        return _Journal(self, journal)

    def tell(self, when: str, kind: str, who: str, call: str) -> None:
        self._reach(Point(self.step, self.way, when, kind, who, call))

    @contextmanager
    def around(self, kind: str, who: str, call: str) -> Iterator[None]:
        self.tell("before", kind, who, call)
        yield
        self.tell("after", kind, who, call)


@dataclass(frozen=True)
class _Services:
    """A cloud: each of its attributes is a service's resource with verbs."""

    points: Points
    inner: Any
    who: str

    def __getattr__(self, name: str) -> Any:
        return _Verbs(self.points, getattr(self.inner, name), self.who, name)


@dataclass(frozen=True)
class _Verbs:
    points: Points
    inner: Any
    who: str
    resource: str

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self.inner, verb)

        def call(*arguments: Any, **options: Any) -> Any:
            with self.points.around("cloud", self.who, f"{self.resource}.{verb}"):
                return found(*arguments, **options)

        return call if callable(found) else found


class _Guest:
    """A guest's driver, or its agent: a command is named by its first word."""

    def __init__(self, points: Points, inner: Any, side: str) -> None:
        self.__dict__.update(points=points, inner=inner, side=side)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.inner, name, value)

    def __getattr__(self, verb: str) -> Any:
        found = getattr(self.inner, verb)
        if not callable(found) or verb == "close":
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            first = arguments[0] if arguments else ""
            word = first if isinstance(first, str) else first[0] if verb == "run" else ""
            with self.points.around("guest", self.side, word or verb):
                return found(*arguments, **options)

        return call

    def agent(self) -> Any:
        return _Guest(self.points, self.inner.agent(), self.side)

    @contextmanager
    def freeze(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        with self.points.around("guest", self.side, "freeze"), self.inner.freeze(*arguments, **options) as told:
            yield told


@dataclass(frozen=True)
class _Journal:
    points: Points
    inner: Any

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            with self.points.around("journal", "", name):
                told = found(*arguments, **options)
            return told

        return call if callable(found) else found

    def next(self, settled: Any = None) -> Any:
        """From here on it is the next step's turn."""
        with self.points.around("journal", "", "next"):
            turn = self.inner.next(settled)
            if isinstance(turn.action, course.Apply | course.Undo):
                self.points.step = turn.action.row.spec.id
                self.points.way = "apply" if isinstance(turn.action, course.Apply) else "undo"
        return turn
