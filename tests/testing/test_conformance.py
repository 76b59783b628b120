"""The conformance class passes a good step, and fails each kind of bad one."""

from dataclasses import replace

import pytest

from liveupdate.model import Json, StepSpec
from liveupdate.steps.protocol import NOT_DONE, Probe, Step, StepContext
from liveupdate.testing.conformance import Stage, StepConformance
from liveupdate.testing.context import MemoryContext, job

_WORLD: list[str] = []


def _probe(context: StepContext) -> Probe:
    return Probe("made" in _WORLD, {"id": "1"})


def _apply(context: StepContext) -> Json:
    line = context.ledger.intend("volume", "test")
    if "made" not in _WORLD:
        _WORLD.append("made")
    context.ledger.created(line, "1")
    return {"id": "1"}


def _undo(context: StepContext) -> None:
    if "made" in _WORLD:
        _WORLD.remove("made")
    if line := context.ledger.find("volume", "test"):
        context.ledger.deleted(line)


GOOD = Step("good", "Do good", _probe, _apply, _undo)


class TestAGoodStep(StepConformance):
    step = GOOD

    def stage(self) -> Stage:
        _WORLD.clear()
        return Stage(MemoryContext(job(), None, None, spec=StepSpec("good", "good")), _WORLD)


def _apply_each_time(context: StepContext) -> Json:
    _WORLD.append("made")
    return {"id": "1"}


def _undo_blindly(context: StepContext) -> None:
    _WORLD.remove("made")


def _probe_with_effect(context: StepContext) -> Probe:
    context.ledger.intend("volume", "probed")
    return _probe(context)


BAD = {
    "applied_twice": replace(GOOD, apply=_apply_each_time),
    "undo_of_what_never_was": replace(GOOD, undo=_undo_blindly),
    "undo_restores": replace(GOOD, undo=lambda context: None),
    "probe_changes_nothing": replace(GOOD, probe=_probe_with_effect),
    "probe_tells": replace(GOOD, probe=lambda context: NOT_DONE),
    "not_done_before": replace(GOOD, probe=lambda context: Probe(True)),
}


@pytest.mark.parametrize("broken", sorted(BAD))
def test_a_bad_step_is_found(broken: str) -> None:
    tests = TestAGoodStep()
    tests.step = BAD[broken]
    (name,) = [n for n in dir(tests) if n.startswith("test_") and broken in n]
    with pytest.raises((AssertionError, ValueError)):
        getattr(tests, name)()
