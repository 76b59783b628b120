"""What every step keeps, as a class of tests: inherit from StepConformance and say what the step's world is."""

from dataclasses import dataclass
from typing import Any

from liveupdate.steps.protocol import Step
from liveupdate.testing.context import MemoryContext


@dataclass(frozen=True)
class Stage:
    """A world in which all that comes before the step has happened, seen through a context."""

    context: MemoryContext
    world: Any

    def picture(self) -> tuple[Any, ...]:
        """What is there, for comparing: repr() of the world, and the open lines of the ledger."""
        lines = [(line.kind, line.role, line.cloud_id, line.state) for line in self.context.ledger.open()]
        return repr(self.world), lines


class StepConformance:
    """pytest collects the tests of a subclass whose name begins with Test."""

    step: Step

    def stage(self) -> Stage:
        """A new world each time; its repr() shows all that the step may change."""
        raise NotImplementedError

    def test_it_is_not_done_before_it_is_applied(self) -> None:
        assert not self.step.probe(self.stage().context).done

    def test_probe_tells_what_apply_returned(self) -> None:
        stage = self.stage()
        result = self.step.apply(stage.context)
        seen = self.step.probe(stage.context)
        assert seen.done
        assert seen.result == result

    def test_probe_changes_nothing(self) -> None:
        stage = self.stage()
        before = stage.picture()
        self.step.probe(stage.context)
        assert stage.picture() == before

    def test_applied_twice_is_applied_once(self) -> None:
        stage = self.stage()
        result = self.step.apply(stage.context)
        once = stage.picture()
        assert self.step.apply(stage.context) == result
        assert stage.picture() == once

    def test_undo_restores_what_was_and_may_be_repeated(self) -> None:
        stage = self.stage()
        before = stage.picture()
        self.step.apply(stage.context)
        for _ in range(2):
            self.step.undo(stage.context)
            assert stage.picture() == before
        assert not self.step.probe(stage.context).done

    def test_undo_of_what_never_was_does_nothing(self) -> None:
        stage = self.stage()
        before = stage.picture()
        self.step.undo(stage.context)
        assert stage.picture() == before
