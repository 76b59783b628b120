"""What users say to jobs, as a specification: each word, where it makes sense, and 409 with the state where not."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from liveupdate.db.session import write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.engine.claim import claim_next
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import UNDO_ATTEMPTS
from liveupdate.steps.protocol import StepContext
from liveupdate.testing.jobs import make_due, work_once
from liveupdate.testing.steps import World, wait_forever
from tests.api.conftest import Cloud, as_, code, fail, new

ACTIONS = ("approve", "start", "pause", "resume", "cancel", "confirm", "rollback", "retry", "skip-step", "cleanup")


def create(api: TestClient, **more: object) -> str:
    answer = api.post("/v1/jobs", json=new(**more))
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job"]["id"])


def say(api: TestClient, job: str, action: str, who: str = "member@mine", **more: object) -> Any:
    return api.post(f"/v1/jobs/{job}/actions", json={"action": action, **more}, headers=as_(who))


def shown(api: TestClient, job: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/v1/jobs/{job}").json()["job"]
    return found


def states(api: TestClient, job: str) -> dict[str, str]:
    return {step["id"]: step["state"] for step in api.get(f"/v1/jobs/{job}/steps").json()["steps"]}


def make_a_whale(context: StepContext) -> None:
    context.ledger.intend("whale", "big")


def stuck_at(engine: Engine, world: World, fault: tuple[str, str]) -> None:
    """Work, and be stuck at the step."""
    world.faults[fault] = fail
    work_once(engine, world)


@pytest.mark.parametrize("action", ACTIONS)
def test_nothing_can_be_said_to_a_job_that_has_ended(api: TestClient, sqlite: Engine, action: str) -> None:
    job = create(api)
    work_once(sqlite, World())
    more = {"step": "tidy"} if action == "skip-step" else {}
    answer = say(api, job, action, "manager2@mine", **more)
    assert (answer.status_code, code(answer)) == (409, "live-update.job.wrong-state")
    assert "succeeded" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("action", ["approve", "resume", "confirm", "rollback", "retry", "cleanup"])
def test_what_a_queued_job_does_not_wait_for(api: TestClient, action: str, cloud: Cloud) -> None:
    job = create(api)
    answer = say(api, job, action, "manager2@mine")
    assert (answer.status_code, code(answer)) == (409, "live-update.job.wrong-state")
    assert "queued" in answer.json()["errors"][0]["detail"]
    assert cloud.trusts == ["trust-1"]


def test_a_paused_job_rests_at_the_next_boundary_and_resumes(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()

    def paused_meanwhile(_: object) -> None:
        assert say(api, job, "pause").status_code == 202

    world.faults["apply", "prepare"] = paused_meanwhile
    work_once(sqlite, world)
    assert (shown(api, job)["state"], shown(api, job)["reason"], shown(api, job)["paused"]) == (
        "waiting",
        "paused",
        True,
    )
    assert world.done == ["prepare"]
    assert work_once(sqlite, world) is None
    assert say(api, job, "pause").status_code == 202
    answer = say(api, job, "resume")
    assert (answer.status_code, answer.json()["job"]["paused"]) == (202, False)
    work_once(sqlite, world)
    assert shown(api, job)["state"] == "succeeded"


def test_no_pause_falls_between_the_steps_that_touch_the_workload(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    world.faults["apply", "copy"] = lambda _: say(api, job, "pause")
    work_once(sqlite, world)
    assert world.done == ["prepare", "copy", "switch", "open"]
    assert shown(api, job)["reason"] == "paused"


def test_a_paused_job_can_be_cancelled(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    say(api, job, "pause")
    work_once(sqlite, world)
    assert say(api, job, "cancel").status_code == 202
    work_once(sqlite, world)
    assert shown(api, job)["state"] == "cancelled"
    assert say(api, job, "resume").status_code == 409


def test_a_step_that_declares_itself_skippable_is_left_out(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    answer = say(api, job, "skip-step", step="copy")
    assert (answer.status_code, code(answer)) == (400, "live-update.job.step-not-skippable")
    assert "tidy" in answer.json()["errors"][0]["remedy"]
    assert say(api, job, "skip-step", step="tidy").status_code == 202
    work_once(sqlite, world)
    assert (shown(api, job)["state"], shown(api, job)["progress"]) == ("succeeded", 100)
    assert "tidy" not in world.done
    assert states(api, job)["tidy"] == "skipped"


def test_a_job_that_is_stuck_at_such_a_step_goes_on_without_it(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    stuck_at(sqlite, world, ("apply", "tidy"))
    assert shown(api, job)["state"] == "needs_attention"
    assert say(api, job, "skip-step").status_code == 202
    work_once(sqlite, world)
    assert shown(api, job)["state"] == "succeeded"


def test_only_skip_step_takes_a_step(api: TestClient) -> None:
    assert say(api, create(api), "pause", step="copy").status_code == 400


def test_cleanup_undoes_what_is_stuck_before_the_pivot_in_the_name_of_who_asks(
    api: TestClient, sqlite: Engine, cloud: Cloud
) -> None:
    job, world = create(api), World()
    world.faults["applied", "copy"] = fail
    for _ in range(UNDO_ATTEMPTS):
        world.faults["undo", "copy"] = fail
        make_due(sqlite, job)
        work_once(sqlite, world)
    assert (shown(api, job)["state"], shown(api, job)["remedy"]) == ("undo_failed", "free it")
    assert say(api, job, "cleanup", "member2@mine").status_code == 202
    assert cloud.trusts == ["trust-2"]
    work_once(sqlite, world)
    assert (shown(api, job)["state"], world.done) == ("undone", [])


def test_cleanup_that_is_asked_for_again_is_a_no_op_while_it_is_under_way_and_afterwards(
    api: TestClient, sqlite: Engine, cloud: Cloud
) -> None:
    job, world = create(api), World()
    stuck_at(sqlite, world, ("apply", "hold"))
    assert say(api, job, "cleanup").status_code == 202
    trusts = list(cloud.trusts)
    for state in ("running", "succeeded"):
        answer = say(api, job, "cleanup")
        assert (answer.status_code, answer.json()["job"]["state"]) == (202, state)
        assert cloud.trusts == trusts, "it works by the trust of who asked first"
        work_once(sqlite, world)


def test_cleanup_finishes_what_is_stuck_after_the_pivot_without_what_it_can_do_without(
    api: TestClient, sqlite: Engine
) -> None:
    job, world = create(api), World()
    stuck_at(sqlite, world, ("apply", "hold"))
    assert say(api, job, "cleanup").status_code == 202
    work_once(sqlite, world)
    assert (shown(api, job)["state"], states(api, job)["tidy"]) == ("succeeded", "skipped")


def test_what_an_undo_left_is_named_and_can_be_cleaned_up_again(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    world.faults["apply", "copy"] = make_a_whale
    world.faults["apply", "switch"] = fail
    work_once(sqlite, world)
    assert (shown(api, job)["state"], shown(api, job)["code"]) == ("undo_failed", "live-update.clean-up.leftovers")
    assert "whale liveupdate-" in shown(api, job)["reason"]
    [line] = api.get(f"/v1/jobs/{job}/resources").json()["resources"]
    assert (line["kind"], line["state"]) == ("whale", "intended")
    for _ in range(2):
        assert say(api, job, "cleanup").status_code == 202
        work_once(sqlite, world)
        assert shown(api, job)["state"] == "undo_failed"


def test_an_undo_that_fails_names_what_is_still_there(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    world.faults["apply", "prepare"] = make_a_whale
    world.faults["apply", "copy"] = fail
    for _ in range(UNDO_ATTEMPTS):
        world.faults["undo", "prepare"] = fail
        make_due(sqlite, job)
        work_once(sqlite, world)
    assert shown(api, job)["state"] == "undo_failed"
    told = f"undo of step prepare failed: stuck; still there: whale liveupdate-{job[:8]}-big"
    assert shown(api, job)["reason"] == told


@pytest.mark.parametrize("word", ["retry", "cleanup"])
def test_each_try_of_an_undo_is_told_from_its_beginning(api: TestClient, sqlite: Engine, word: str) -> None:
    job, world = create(api), World()
    world.faults["apply", "copy"] = fail
    for _ in range(UNDO_ATTEMPTS):
        world.faults["undo", "prepare"] = fail
        make_due(sqlite, job)
        work_once(sqlite, world)
    assert say(api, job, word).status_code == 202
    work_once(sqlite, world)
    assert shown(api, job)["state"] == "undone"
    events = api.get(f"/v1/jobs/{job}/events").json()["events"]
    told = [e["type"] for e in events if e["step"] == "prepare" and e["type"].startswith("step.und")]
    assert told == ["step.undo_started", "step.undo_failed", "step.undo_started", "step.undone"]


def test_an_administrator_of_another_project_cleans_up_in_the_requesters_name(
    api: TestClient, sqlite: Engine, cloud: Cloud
) -> None:
    job, world = create(api), World()
    stuck_at(sqlite, world, ("apply", "hold"))
    assert say(api, job, "cleanup", "admin@other").status_code == 202
    assert cloud.trusts == ["trust-1"]


def test_a_pause_counts_for_a_job_that_a_worker_has_in_hand(api: TestClient, sqlite: Engine) -> None:
    job = create(api)
    claimed = claim_next(sqlite, "worker", 60)
    assert claimed is not None
    assert say(api, job, "pause").status_code == 202
    journal = Journal(sqlite, claimed.claim, 60)
    journal.next()
    assert (shown(api, job)["state"], shown(api, job)["reason"]) == ("waiting", "paused")


def test_what_cannot_be_said_while_it_is_undone(api: TestClient, sqlite: Engine) -> None:
    job, world = create(api), World()
    world.faults["apply", "copy"] = fail
    world.faults["undo", "prepare"] = wait_forever
    work_once(sqlite, world)
    write(sqlite, lambda c: c.execute(update(jobs_table).values(approval="needed")))
    for action in ("approve", "start", "pause", "resume", "retry", "cleanup", "confirm", "rollback"):
        answer = say(api, job, action, "manager2@mine")
        assert (action, answer.status_code) == (action, 409)
        assert "undoing" in answer.json()["errors"][0]["detail"]
