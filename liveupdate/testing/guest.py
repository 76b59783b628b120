"""A guest in memory, for the cloud-side steps: it answers, freezes, and shows the serials of what is plugged in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass
class GuestDouble:
    """``calls``: every command of the in-guest program, in order; ``answers``: what to say to which."""

    answers: Mapping[str, Any] = field(default_factory=dict)
    serials: Sequence[str] = ()
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    frozen: bool = False
    now: float = 1000.0

    def reachable(self) -> bool:
        return True

    def clock(self) -> float:
        self.now += 1
        return self.now

    def flush(self) -> None:
        self.calls.append(("flush", {}))

    @contextmanager
    def freeze(self, mounts: Sequence[str], watchdog: float) -> Iterator[SimpleNamespace]:
        self.frozen = True
        told = SimpleNamespace(since=1000.0, milliseconds=0)
        try:
            yield told
        finally:
            self.frozen = False
        told.milliseconds = 360

    def run(self, argv: Sequence[str], **_: Any) -> SimpleNamespace:
        return SimpleNamespace(code=0, stdout="\n".join(self.serials), stderr="")

    def agent(self) -> "GuestDouble":
        return self

    def call(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self.oneshot(command, arguments)

    def oneshot(self, command: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self.calls.append((command, dict(arguments)))
        return dict(self.answers.get(command, {}))

    def remove_agent(self) -> None:
        self.calls.append(("remove_agent", {}))
