"""Jobs and workers for tests of the engine: no cloud, no guests, no threads."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from sqlalchemy import Engine, update

from liveupdate.db import jobs, steps
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs as jobs_table
from liveupdate.drivers.metrics import Nothing
from liveupdate.engine.claim import claim_next
from liveupdate.engine.context import Surroundings
from liveupdate.engine.journal import Journal
from liveupdate.engine.runner import Runner
from liveupdate.model import Job, JobKind, Plan, StepRow, StepSpec
from liveupdate.settings import load
from liveupdate.testing.steps import World, wait_forever

STEPS = ("prepare", "copy", "switch", "open", "hold", "tidy")
BACK = tuple(StepSpec(f"back.{name}", name) for name in ("copy", "switch", "open"))
PLAN = Plan("test", tuple(StepSpec(n, n) for n in STEPS), "open", BACK, "back.open", "tidy")


def new_job(**changes: Any) -> jobs.NewJob:
    """A job of PLAN for a server of its own."""
    identifier = str(uuid.uuid4())
    job = jobs.NewJob(
        id=identifier,
        kind=JobKind.UPDATE,
        project_id="project",
        user_id="user",
        method=PLAN.method,
        server_id=str(uuid.uuid4()),
        server_name="server",
        parameters={},
        plan=PLAN,
        request_id="req-00000000-0000-4000-8000-000000000000",
    )
    return replace(job, **changes)


def accept(engine: Engine, **changes: Any) -> str:
    return write(engine, lambda connection: jobs.create(connection, new_job(**changes)))[0].id


def look(engine: Engine, job_id: str) -> tuple[Job, dict[str, StepRow]]:
    """The job and the newest row of each step."""
    with read(engine) as connection:
        return jobs.get(connection, job_id), {r.spec.id: r for r in steps.of_job(connection, job_id)}


def say(engine: Engine, job_id: str, word: Callable[..., Job], *told: object) -> None:
    """One of the words of db/words.py; raises what it raises."""
    write(engine, lambda connection: word(connection, jobs.get(connection, job_id), *told))


def make_due(engine: Engine, job_id: str) -> None:
    """Let the time come that the job is parked until."""
    write(engine, lambda c: c.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(wake_at=0)))


def expire_lease(engine: Engine, job_id: str) -> None:
    """Let the lease run out: the holder is dead, or frozen."""
    write(engine, lambda c: c.execute(update(jobs_table).where(jobs_table.c.id == job_id).values(lease_until=1)))


def unreachable(*_: object) -> NoReturn:
    raise AssertionError("the engine's own tests have neither cloud nor guests")


def surroundings() -> Surroundings:
    return Surroundings(load(config_files=[]), unreachable, unreachable, unreachable, Nothing())


def work(engine: Engine, runner: Runner, owner: str = "worker") -> str | None:
    """Claim one due job and drive it until it rests; its id, or None if nothing was due."""
    claimed = claim_next(engine, owner, 60)
    if claimed is None:
        return None
    runner.run(Journal(engine, claimed.claim, 60), claimed)
    return claimed.claim.job_id


def work_once(engine: Engine, world: World, owner: str = "worker", steps: tuple[str, ...] = STEPS) -> str | None:
    """As ``work``, by steps of ``world``."""
    return work(engine, Runner(surroundings(), world.steps(*steps)), owner)


def in_hold(engine: Engine) -> tuple[World, str]:
    """A job that waits in its step hold, and its id."""
    world, job_id = World(), accept(engine)
    world.faults["apply", "hold"] = wait_forever
    work_once(engine, world)
    return world, job_id
