"""The update methods: one file each, an ordered tuple of steps with its pivot; found by entry point."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points

from liveupdate.errors import Invalid
from liveupdate.model import JobKind, Plan, StepSpec
from liveupdate.steps.protocol import Step

GROUP = "liveupdate.methods"


@dataclass(frozen=True)
class Method:
    """``steps`` in order; ``pivot`` is the name of the one after which there is no undo.

    ``back``: the steps that move the workload back on request, of the same names; their ids get "back." in front.
    ``preview``: the first steps, which only look. ``together``: the steps in which the workload is touched, one right
    after the other: no pause falls between them. ``former``: steps that only plans of older releases name.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    preview: tuple[Step, ...]
    pivot: Step
    back: tuple[Step, ...] = ()
    back_pivot: Step | None = None
    back_until: Step | None = None
    together: tuple[Step, ...] = ()
    former: tuple[Step, ...] = ()

    def plan(self, kind: JobKind = JobKind.UPDATE) -> Plan:
        """What is frozen into a job when it is accepted."""
        if kind == JobKind.PREVIEW:
            return Plan(self.name, _specs(self.preview), pivot="")
        return Plan(
            method=self.name,
            steps=_specs(self.steps),
            pivot=self.pivot.part or self.pivot.name,
            back=tuple(StepSpec(f"back.{s.name}", s.name, {"direction": "back"}) for s in self.back),
            back_pivot=f"back.{self.back_pivot.name}" if self.back_pivot else "",
            back_until=self.back_until.name if self.back_until else "",
            together=tuple(s.part or s.name for s in self.together),
            skippable=tuple(s.part or s.name for s in self.steps if s.skippable),
        )


def _specs(steps: tuple[Step, ...]) -> tuple[StepSpec, ...]:
    return tuple(StepSpec(s.part or s.name, s.name) for s in steps)


@cache
def load() -> Mapping[str, Method]:
    """Every method installed, by name."""
    return {point.name: point.load() for point in entry_points(group=GROUP)}


def find(name: str) -> Method:
    """Raises Invalid, naming those there are."""
    methods = load()
    if name not in methods:
        raise Invalid(
            f"there is no method {name!r}",
            code="live-update.method.unknown",
            remedy=f"use one of: {', '.join(sorted(methods))}",
        )
    return methods[name]


def steps() -> Mapping[str, Step]:
    """Every step of every method, by name."""
    return {step.name: step for method in load().values() for step in (*method.steps, *method.former)}
