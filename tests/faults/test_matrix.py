"""A part of the matrix of faults, by chance, in every run of the tests; ``make test-faults`` runs all of it.

The seed stands at the report's end; set as LIVEUPDATE_FAULTS_SEED it repeats a run.
"""

import os
import pickle
import random

import pytest

from tests.faults import databases
from tests.faults.__main__ import part as part_of_a_process
from tests.faults.doubles import WORLDS, play
from tests.faults.lab import LAB_FAULTS, STEPS, chosen
from tests.faults.matrix import one_each, trials
from tests.faults.stage import FIRST

#: Trials in one test.
_TRIALS = 25
_PARTS = [
    *(pytest.param("sqlite", world, id=f"sqlite, {world}") for world in WORLDS),
    *(pytest.param(name, FIRST, id=name, marks=pytest.mark.databases) for name in ("mariadb", "postgresql")),
]


@pytest.mark.parametrize(("database", "world"), _PARTS)
def test_whatever_strikes_wherever_the_job_ends_and_nothing_is_left(database: str, world: str) -> None:
    seed = int(os.environ["LIVEUPDATE_FAULTS_SEED"])
    with databases.opened(database) as engine:
        chosen = [trial for [trial] in one_each(trials(engine, world=world), seed).values()]
        random.Random(seed).shuffle(chosen)  # noqa: S311 - which are tried is no secret
        chosen = chosen[:_TRIALS]
        broken = [(str(trial), told) for trial in chosen if (told := play(engine, trial)[0].violations)]
    assert not broken, f"with LIVEUPDATE_FAULTS_SEED={seed}"


def test_what_one_process_has_found_can_be_told_to_the_one_that_prints_it() -> None:
    found = part_of_a_process("sqlite", int(os.environ["LIVEUPDATE_FAULTS_SEED"]), number=0, of=1000)
    assert found
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own


def test_each_step_that_works_on_the_cloud_meets_each_fault_in_the_lab() -> None:
    with databases.opened("sqlite") as engine:
        cells = chosen(engine, seed=1)
        assert {cell: str(trial) for cell, trial in chosen(engine, seed=1).items()} == {
            cell: str(trial) for cell, trial in cells.items()
        }, "a seed repeats a run"
    assert {step for step, _ in cells} >= set(STEPS)
    assert {fault for _, fault in cells} == set(LAB_FAULTS)
    assert {(step, "cancelled") for step in STEPS} <= cells.keys()
