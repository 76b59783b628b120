"""What a job does when its steps succeed, wait, or fail."""

import pytest
from sqlalchemy import Engine, update

from liveupdate.db import resources, tables, words
from liveupdate.db.session import read, write
from liveupdate.engine.runner import UNDO_ATTEMPTS
from liveupdate.errors import Failed, Retry, Unknown, Watch
from liveupdate.model import JobKind, Plan, StepSpec
from liveupdate.states import JobState, ResourceState, StepState
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import STEPS, accept, look, make_due, say, work_once
from liveupdate.testing.steps import World, raising
from liveupdate.worker.watcher import wake_changed

FORWARD = [("apply", name) for name in STEPS]


def test_a_job_applies_its_steps_in_order_and_succeeds(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    assert work_once(sqlite, world) == job_id
    job, rows = look(sqlite, job_id)
    assert (job.state, job.progress, job.reason) == (JobState.SUCCEEDED, 100, "")
    assert world.log == FORWARD
    assert all(row.state == StepState.DONE and row.seconds is not None for row in rows.values())
    assert job.finished_at is not None


def test_a_failure_before_the_pivot_undoes_in_reverse_the_half_done_step_included(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "switch"] = raising(Failed("no room", code="live-update.test.no-room", remedy="make room"))
    work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, job.reason, job.code, job.remedy) == (
        JobState.UNDONE,
        "no room",
        "live-update.test.no-room",
        "make room",
    )
    assert world.done == []
    assert world.log[3:] == [("undo", "switch"), ("undo", "copy"), ("undo", "prepare")]
    assert rows["switch"].error["code"] == "live-update.test.no-room"
    assert rows["open"].state == StepState.PENDING


@pytest.mark.parametrize("step", ["copy", "switch"])
@pytest.mark.parametrize("counts", [False, True])
def test_what_undoing_waited_for_is_not_taken_for_the_reason_of_it(step: str, counts: bool, sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "switch"] = raising(Failed("no room", code="live-update.test.no-room"))
    told = "waits for a volume to be gone"
    world.faults["undo", step] = raising(Retry(0, told, code="live-update.test.busy", counts=counts))
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].reason == told
    make_due(sqlite, job_id)
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason, job.code) == (JobState.UNDONE, "no room", "live-update.test.no-room")


def test_a_failure_after_the_pivot_needs_attention_and_undoes_nothing(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "tidy"] = raising(Failed("stuck", remedy="free it"))
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason, job.remedy) == (JobState.NEEDS_ATTENTION, "stuck", "free it")
    assert world.log == FORWARD[:-1]


def test_a_pivot_that_failed_and_did_not_happen_is_undone(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "open"] = raising(Failed("window passed"))
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.UNDONE
    assert world.done == []


def test_a_pivot_that_failed_but_happened_goes_forward(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "open"] = raising(Failed("the answer was lost"))
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED


def test_a_waiting_job_holds_no_lease_and_goes_on_when_its_time_comes(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "copy"] = raising(Retry(3600, "waits for the copy", counts=False))
    work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, job.reason, rows["copy"].attempts) == (JobState.WAITING, "waits for the copy", 0)
    assert work_once(sqlite, world) is None
    make_due(sqlite, job_id)
    assert work_once(sqlite, world) == job_id
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED


def test_a_job_that_waits_in_trouble_has_its_code_and_remedy_until_it_waits_for_something_else(sqlite: Engine) -> None:
    trouble = Retry(0, "no answer", counts=False, code="live-update.test.silent", remedy="see its console")
    world, job_id = World(), accept(sqlite)
    seen = []
    for waits in (trouble, Retry(0, "waits for a word", counts=False), trouble):
        world.faults["apply", "copy"] = raising(waits)
        make_due(sqlite, job_id)
        work_once(sqlite, world)
        job, _ = look(sqlite, job_id)
        seen.append((job.reason, job.code, job.remedy))
    told = ("no answer", "live-update.test.silent", "see its console")
    assert seen == [told, ("waits for a word", "", ""), told]
    world.faults["apply", "switch"] = raising(Retry(0, "", counts=False))
    make_due(sqlite, job_id)
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.step, job.code, job.remedy) == ("switch", "", "")


def test_retries_are_bounded(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    for _ in range(5):
        world.faults["apply", "copy"] = raising(Retry(0, "busy"))
        make_due(sqlite, job_id)
        work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert job.state == JobState.UNDONE
    assert job.reason == "busy (after 5 attempts)"


def test_what_may_have_happened_is_probed_not_repeated(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["applied", "copy"] = raising(Unknown("time-out after the request"))
    work_once(sqlite, world)
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED
    assert world.log == FORWARD


def test_a_probe_that_cannot_tell_needs_attention(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "copy"] = raising(Unknown("time-out"))
    world.faults["probe", "copy"] = raising(Unknown("the cloud does not answer"))
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.code) == (JobState.NEEDS_ATTENTION, "live-update.step.in-doubt")
    assert world.log == FORWARD[:1]


def test_an_unforeseen_error_is_tried_once_more_then_undone_without_showing_a_traceback(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    for _ in range(2):
        world.faults["apply", "copy"] = raising(ZeroDivisionError("division by zero\nsecond line"))
        make_due(sqlite, job_id)
        work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.reason) == (JobState.UNDONE, "ZeroDivisionError: division by zero")


def test_a_failed_undo_is_a_state_of_its_own_and_can_be_tried_again(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "switch"] = raising(Failed("no"))
    for _ in range(UNDO_ATTEMPTS):
        world.faults["undo", "copy"] = raising(Failed("volume is stuck", remedy="reset its state"))
        make_due(sqlite, job_id)
        work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, rows["copy"].state) == (JobState.UNDO_FAILED, StepState.UNDO_FAILED)
    assert (job.reason, job.remedy) == ("undo of step copy failed: volume is stuck", "reset its state")
    assert world.done == ["prepare", "copy"]
    say(sqlite, job_id, words.retry)
    work_once(sqlite, world)
    job, rows = look(sqlite, job_id)
    assert (job.state, rows["switch"].error["detail"]) == (JobState.UNDONE, "no")
    assert world.done == []


def test_a_step_that_took_too_long_after_the_pivot_tells_what_to_do(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "tidy"] = raising(Retry(0, "busy", counts=False))
    work_once(sqlite, world)
    began = update(tables.steps).where(tables.steps.c.spec_id == "tidy").values(started_at=0)
    write(sqlite, lambda connection: connection.execute(began))
    make_due(sqlite, job_id)
    work_once(sqlite, world)
    job, _ = look(sqlite, job_id)
    assert (job.state, job.code, bool(job.remedy)) == (JobState.NEEDS_ATTENTION, "live-update.step.timeout", True)


def test_a_preview_has_no_pivot_and_holds_no_server(sqlite: Engine) -> None:
    plan = Plan("test", (StepSpec("prepare", "prepare"),), "")
    accept(sqlite, server_id="one")
    job_id = accept(sqlite, server_id="one", kind=JobKind.PREVIEW, plan=plan)
    world = World()
    while work_once(sqlite, world):
        pass
    assert look(sqlite, job_id)[0].state == JobState.SUCCEEDED


def test_the_ledger_has_the_intent_before_the_call_and_is_never_overwritten(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)

    def makes_two(context: StepContext) -> None:
        first = context.ledger.intend("volume", "mirror", {"size": 3})
        assert context.ledger.intend("volume", "mirror") == first
        assert first.state == ResourceState.INTENDED
        made = context.ledger.created(first, "volume-1", {"type": "ceph"})
        assert (made.cloud_id, made.details) == ("volume-1", {"size": 3, "type": "ceph"})
        context.ledger.deleted(made)
        second = context.ledger.intend("volume", "mirror")
        assert second.id != first.id
        context.ledger.kept(context.ledger.created(second, "volume-2"))
        assert context.ledger.open() == []

    world.faults["apply", "copy"] = makes_two
    work_once(sqlite, world)
    with read(sqlite) as connection:
        found = resources.of_job(connection, job_id)
    assert [(r.cloud_id, r.state) for r in found] == [
        ("volume-1", ResourceState.DELETED),
        ("volume-2", ResourceState.KEPT),
    ]
    assert found[0].name == f"liveupdate-{job_id[:8]}-mirror"


def test_a_step_reads_the_results_of_earlier_ones(sqlite: Engine) -> None:
    world = World()
    accept(sqlite)
    seen: list[object] = []
    world.faults["apply", "switch"] = lambda context: seen.extend([context.result("copy"), context.result("tidy")])
    work_once(sqlite, world)
    assert seen == [{"id": "copy"}, {}]


def test_a_parked_job_tells_what_it_watches(sqlite: Engine) -> None:
    world, job_id = World(), accept(sqlite)
    world.faults["apply", "copy"] = raising(
        Retry(3600, "waits for ACTIVE", watch=Watch("server", "s1", "BUILD/"), counts=False)
    )
    work_once(sqlite, world)
    asked: list[str] = []

    def same(kind: str) -> dict[str, str]:
        asked.append(kind)
        return {"s1": "BUILD/"}

    assert wake_changed(sqlite, same) == 0
    assert wake_changed(sqlite, lambda kind: {"s1": "ACTIVE/"}) == 1
    assert asked == ["server"]
    assert work_once(sqlite, world) == job_id
