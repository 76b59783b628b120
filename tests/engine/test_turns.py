"""How a turn of a job is written: what is settled and what comes next at once, by what is known since the last one."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Engine, event

from liveupdate.db import events, words
from liveupdate.db.session import read
from liveupdate.states import JobState, StepState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import PLAN, STEPS, accept, look, say, work_once
from liveupdate.testing.steps import World


def test_a_step_that_is_done_and_the_intent_of_the_next_are_one_commit(sqlite: Engine) -> None:
    world = World()
    accept(sqlite)
    commits: list[object] = []
    event.listen(sqlite, "commit", commits.append)
    at: dict[str, int] = {}
    for name in ("copy", "switch"):
        world.faults["apply", name] = lambda context: at.__setitem__(context.spec.id, len(commits))
    work_once(sqlite, world)
    assert at["switch"] - at["copy"] == 1


def test_a_job_begins_once_and_each_of_its_steps_is_told_once(sqlite: Engine) -> None:
    job_id = accept(sqlite)
    work_once(sqlite, World())
    with read(sqlite) as connection:
        told = [(e.type, e.step) for e in events.of_job(connection, job_id)]
    ran = [(f"step.{what}", name) for name in STEPS for what in ("started", "done")]
    assert told == [("job.created", ""), ("job.started", ""), *ran, ("job.succeeded", "")]


def test_a_turn_that_is_foreseen_reads_nothing_again(sqlite: Engine) -> None:
    """What a worker knows since the last turn holds until somebody changes it: the write itself finds out."""
    world, statements = World(), [""]
    accept(sqlite)
    event.listen(sqlite, "before_cursor_execute", lambda *told: statements.append(told[2].split()[0]))
    at: dict[str, int] = {}
    for name in ("switch", "open"):
        world.faults["apply", name] = lambda context: at.__setitem__(context.spec.id, len(statements))
    work_once(sqlite, world)
    assert statements[at["switch"] : at["open"]] == ["BEGIN", "UPDATE", "UPDATE", "INSERT"]


def test_a_step_skipped_in_the_middle_of_the_one_before_is_never_begun(sqlite: Engine) -> None:
    """However soon: SQLite's clock stands still for a millisecond."""
    world = World()
    job_id = accept(sqlite, plan=replace(PLAN, skippable=("switch", "hold")))

    def skip(name: str) -> Callable[[StepContext], None]:
        return lambda _: say(sqlite, job_id, words.skip_step, name)

    world.faults["apply", "copy"], world.faults["applied", "open"] = skip("switch"), skip("hold")
    work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, job.progress) == (JobState.SUCCEEDED, 100)
    assert [name for name, row in rows.items() if row.state == StepState.SKIPPED] == ["switch", "hold"]
    assert not {"switch", "hold"} & set(world.done)


def test_what_one_step_does_with_a_result_no_other_one_sees(sqlite: Engine) -> None:
    world, seen = World(findings={"ports": ["a"]}), []
    accept(sqlite)
    world.faults["apply", "switch"] = lambda context: context.result("prepare")["ports"].append("b")
    world.faults["apply", "open"] = lambda context: seen.append(context.result("prepare")["ports"])
    work_once(sqlite, world)
    assert seen == [["a"]]
