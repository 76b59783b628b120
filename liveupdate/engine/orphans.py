"""What of ours is in the cloud and in no ledger: found by its marks, given to the ledger of its job, or taken away.

The cloud is looked at first, and the database then: whatever a job makes has its line before it is there. Nothing is
remembered; all of it may be repeated from any point.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from liveupdate.db import jobs, resources
from liveupdate.db.session import read, write
from liveupdate.drivers.cloud import inventory
from liveupdate.errors import Failed, LiveUpdateError, Retry
from liveupdate.model import Resource, Sighting
from liveupdate.planning.orphans import Fate, Known, Verdict, judge
from liveupdate.states import STUCK, ResourceState
from liveupdate.steps.kinds import KINDS
from liveupdate.steps.resources import see_gone
from liveupdate.steps.sightings import behind_images

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud

#: Seconds in which a job that is being accepted has written down its trust.
_ACCEPTING = 10.0
#: Seconds until what goes slowly is given up, and calls that may fail.
_PATIENCE, _ATTEMPTS = 600.0, 5


@dataclass(frozen=True)
class Hands:
    """The service user's: no trust stands behind what no job does."""

    cloud: "Cloud"

    def user_cloud(self) -> "Cloud":
        return self.cloud

    def service_cloud(self) -> "Cloud":
        return self.cloud

    def checkpoint(self) -> None:
        """Whoever interrupts it, interrupts the process."""


def look(engine: Engine, cloud: "Cloud", accepting: float = _ACCEPTING) -> list[Verdict]:
    """All orphans, and what is to become of each. ``accepting``: seconds that a trust without a job is waited for."""
    there = inventory.take(cloud)
    seen = [sighting for kind in KINDS.values() for sighting in kind.seen(there)]
    needed = behind_images(there)
    with read(engine) as connection:
        verdicts = judge(seen, needed, _known(connection, seen))
    if not any(verdict.sighting.kind == "trust" for verdict in verdicts):
        return verdicts
    time.sleep(accepting)
    with read(engine) as connection:
        return judge(seen, needed, _known(connection, seen))


def adopt(engine: Engine, verdicts: Sequence[Verdict]) -> Iterator[tuple[Verdict, LiveUpdateError | None]]:
    """Write the lines that stuck jobs lack; what is to be taken away first comes last, as if it had been made last."""
    for verdict in reversed([v for v in verdicts if v.fate == Fate.ADOPT]):
        try:
            write(engine, lambda connection, s=verdict.sighting: _adopt(connection, s))  # type: ignore[misc]
        except LiveUpdateError as error:
            yield verdict, error
        else:
            yield verdict, None


def remove(cloud: "Cloud", verdicts: Sequence[Verdict]) -> Iterator[tuple[Verdict, LiveUpdateError | None]]:
    """Take away what may go, and see it gone; what cannot be, with the reason. Its job's lock stays then."""
    blocked = set()
    for verdict in verdicts:
        sighting = verdict.sighting
        if verdict.fate != Fate.REMOVE or (sighting.kind == "lock" and sighting.job_id in blocked):
            continue
        try:
            _remove(Hands(cloud), sighting)
        except LiveUpdateError as error:
            blocked.add(sighting.job_id)
            yield verdict, error
        else:
            yield verdict, None


def _known(connection: Connection, seen: Sequence[Sighting]) -> Known:
    job_ids = {s.job_id for s in seen if s.job_id}
    lines = resources.standing_for(connection, job_ids, {s.cloud_id for s in seen})
    wanted, trusts = job_ids | {line.job_id for line in lines}, {s.cloud_id for s in seen if s.kind == "trust"}
    return Known(jobs=jobs.several(connection, wanted), lines=lines, trusts=jobs.trusts(connection, trusts))


def _adopt(connection: Connection, s: Sighting) -> None:
    """Raises Failed if the job has gone on meanwhile."""
    job = jobs.locked(connection, s.job_id)
    if job.state not in STUCK:
        raise Failed(f"job {job.id} is {job.state} by now", remedy="look again")
    if resources.find_open(connection, job.id, s.kind, s.role) is None:
        # whether an old disk was to die with its server nobody knows any more: then it is its owner's
        details = {**s.details, "dies": False} if s.kind == "volume" else s.details
        line = resources.add(connection, job.id, s.kind, s.role, s.name, details)
        resources.created(connection, line, s.cloud_id, None)


def _remove(hands: Hands, sighting: Sighting) -> None:
    line, end, failed = _as_line(sighting), time.monotonic() + _PATIENCE, 0
    while True:
        try:
            return see_gone(hands, line)
        except Retry as retry:
            failed += retry.counts
            if failed >= _ATTEMPTS or time.monotonic() > end:
                raise
            time.sleep(retry.after)


def _as_line(s: Sighting) -> Resource:
    """What a ledger would say of it."""
    now, there = datetime.now(UTC), ResourceState.CREATED
    return Resource(0, s.job_id, s.kind, s.role, s.name, s.cloud_id, there, s.details, now, None)
