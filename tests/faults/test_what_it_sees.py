"""The matrix sees what it promises not to find: each harm is done on purpose, in a job that no fault strikes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from liveupdate.model import Json
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.storage import volume
from tests.faults import databases
from tests.faults.doubles import Doubles
from tests.faults.stage import Trial, perform


@pytest.fixture(scope="module")
def engine() -> Any:
    with databases.opened("sqlite") as opened:
        yield opened


def _stray_volume(ground: Doubles) -> None:
    ground.world.volumes["stray"] = volume("stray")


def _no_fallback(ground: Doubles) -> None:
    ground.world.snapshots.clear()


def _nobody_serves(ground: Doubles) -> None:
    ground.pair.serving.clear()


def _both_serve(ground: Doubles) -> None:
    # the engine takes it for the step's failure, and tries the step again
    ground.pair.serve("original")


def _program_left(ground: Doubles) -> None:
    ground.pair.traces["surrogate"].add("agent")


def _unforeseen(ground: Doubles) -> None:
    raise KeyError("nobody has thought of it")


def _once(harm: Callable[[Doubles], None], ground: Doubles, step: str) -> None:
    """When the step has been done; done again, it is well."""
    inner, harmed = ground.steps[step].apply, False

    def apply(context: StepContext) -> Json:
        nonlocal harmed
        result = inner(context)
        if not harmed:
            harmed = True
            harm(ground)
        return result

    ground.steps = {**ground.steps, step: replace(ground.steps[step], apply=apply)}


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_stray_volume, "volumes: stray"),
        (_no_fallback, "kept, but gone: snapshot"),
        (_nobody_serves, "succeeded, but: "),
        (_program_left, "left in the surrogate: {'agent'}"),
        (_both_serve, "split brain: original begins to serve beside"),
        (_unforeseen, "unforeseen: KeyError"),
    ],
)
def test_a_job_that_ends_with_harm_done_is_a_violation(
    engine: Engine, harm: Callable[[Doubles], None], told: str
) -> None:
    ground = Doubles(engine)
    _once(harm, ground, "clean_up")
    outcome, _ = perform(ground, Trial("forward"))
    assert outcome.end == "done"
    assert any(told in violation for violation in outcome.violations), outcome


@pytest.mark.parametrize(("harm", "told"), [(_stray_volume, "volumes: stray"), (_nobody_serves, "undone, but: ")])
def test_so_is_one_that_is_undone_with_harm_done(engine: Engine, harm: Callable[[Doubles], None], told: str) -> None:
    ground = Doubles(engine)
    _once(harm, ground, "connect")
    ground.pair.trouble = "sick"
    outcome, _ = perform(ground, Trial("undo"))
    assert any(told in violation for violation in outcome.violations), outcome


def test_a_job_without_harm_is_none(engine: Engine) -> None:
    assert [perform(Doubles(engine), Trial(course))[0].violations for course in ("forward", "undo", "back")] == [()] * 3
