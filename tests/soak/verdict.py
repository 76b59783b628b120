"""What went wrong in a soak, by the journal and by the cloud."""

from collections import Counter
from collections.abc import Iterator, Sequence

from sqlalchemy import Engine, func, select

from liveupdate.db.session import read
from liveupdate.db.tables import events, jobs
from liveupdate.states import JobState
from tests.soak.cloud import FolderCloud
from tests.soak.worker import NAMES


def by_the_journal(engine: Engine) -> Iterator[str]:
    """Jobs that did not succeed, steps that were done twice or never."""
    per_step = (
        select(events.c.job_id, events.c.step, func.count().label("times"))
        .where(events.c.type == "step.done")
        .group_by(events.c.job_id, events.c.step)
    )
    with read(engine) as connection:
        for row in connection.execute(select(jobs.c.id, jobs.c.state, jobs.c.reason)):
            if row.state != JobState.SUCCEEDED:
                yield f"job {row.id} is {row.state}: {row.reason}"
        done = connection.execute(per_step).all()
        total = connection.execute(select(func.count()).select_from(jobs)).scalar_one()
    yield from (f"job {row.job_id}: {row.step} was done {row.times} times" for row in done if row.times != 1)
    if len(done) != total * len(NAMES):
        yield f"{len(done)} steps were done, of {total * len(NAMES)}"


def by_the_cloud(cloud: FolderCloud, ids: Sequence[str], calls: Counter[str]) -> Iterator[str]:
    """What was not made, what belongs to nobody, what was to be made again."""
    wanted = {f"{job_id}.{name}" for job_id in ids for name in NAMES}
    yield from (f"{name} was not made" for name in sorted(wanted - cloud.made()))
    yield from (f"{name} belongs to no job" for name in sorted(cloud.made() - wanted))
    if calls["twice"]:
        yield f"{calls['twice']} were to be made twice"
