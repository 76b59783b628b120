"""Steps whose world is a set of names: what is in it has happened. They do, or fail, as they are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from liveupdate.errors import Retry
from liveupdate.model import Json
from liveupdate.steps.protocol import Probe, Step, StepContext


@dataclass
class World:
    """``done``: ids of steps in force, in order. ``log``: every call that changed it, as ("apply" | "undo", id)."""

    done: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    #: What every step's result has besides its id.
    findings: dict[str, Any] = field(default_factory=dict)
    #: (call, step id) → what to do instead of, or (if it returns) before, succeeding; taken out when used.
    faults: dict[tuple[str, str], Callable[[StepContext], None]] = field(default_factory=dict)

    def strike(self, call: str, context: StepContext) -> None:
        fault = self.faults.pop((call, context.spec.id), None)
        if fault:
            fault(context)

    def step(self, name: str, **options: Any) -> Step:
        """A step that puts its spec's id into the world, and takes it out again."""

        def probe(context: StepContext) -> Probe:
            self.strike("probe", context)
            return Probe(context.spec.id in self.done, {"id": context.spec.id})

        def apply(context: StepContext) -> Json:
            self.strike("apply", context)
            if context.spec.id not in self.done:
                self.done.append(context.spec.id)
                self.log.append(("apply", context.spec.id))
            self.strike("applied", context)
            return {"id": context.spec.id, **self.findings}

        def undo(context: StepContext) -> None:
            self.strike("undo", context)
            if context.spec.id in self.done:
                self.done.remove(context.spec.id)
                self.log.append(("undo", context.spec.id))
            self.strike("undone", context)

        return Step(name, f"Do {name}", probe, apply, undo, **options)

    def steps(self, *names: str, **options: Any) -> Mapping[str, Step]:
        return {name: self.step(name, **options) for name in names}


def raising(error: BaseException) -> Callable[[StepContext], None]:
    """As a fault."""

    def strike(_: StepContext) -> None:
        raise error

    return strike


def wait_forever(_: StepContext) -> None:
    """As a fault: for a word of the operator."""
    raise Retry(3600, "waits for the operator", counts=False)
