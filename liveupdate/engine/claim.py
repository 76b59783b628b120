"""The right to work on a job: had by compare-and-swap, lost to whoever claims it once the lease is over."""

from dataclasses import dataclass, field
from threading import Event as Flag

from sqlalchemy import Connection, Engine

from liveupdate import lease as leases
from liveupdate.db import claims, events, workers
from liveupdate.db.session import read, write
from liveupdate.lease import Lease


@dataclass(frozen=True)
class Claim:
    """The right to write to one job, as long as nobody has a higher fence and the lease is renewed in time."""

    job_id: str
    owner: str
    fence: int
    #: How long it surely lasts, by this worker's own clock: each write prolongs it.
    lease: Lease = field(compare=False, repr=False)
    #: Set once the lease is known to be lost: whoever works on the job stops at its next checkpoint.
    lost: Flag = field(default_factory=Flag, compare=False, repr=False)


@dataclass(frozen=True)
class Claimed:
    claim: Claim
    #: Workers that died with the job in hand since it last made progress.
    deaths: int
    taken_over: bool


def claim_next(engine: Engine, owner: str, lease: float) -> Claimed | None:
    """Claim the job that waits longest among those whose time has come, or None. ``lease`` in seconds."""

    def work(connection: Connection) -> Claimed | None:
        asked = leases.now()
        for row in due:
            taken_over = bool(row["lease_owner"])
            # one that gave the job back has cleared its name; one that was seen since its lease was over was too slow,
            # or cut off from the database, and lives
            died = taken_over and not workers.seen_after(connection, row["lease_owner"], row["lease_until"])
            deaths = row["deaths"] + died
            if claims.take(connection, row, owner, lease, deaths):
                if taken_over:
                    events.add(connection, row["id"], "lease.taken_over", detail={"from": row["lease_owner"]})
                claim = Claim(row["id"], owner, row["fence"] + 1, Lease(row["id"], asked + lease))
                return Claimed(claim, deaths, taken_over)
        return None

    with read(engine) as connection:
        due = claims.due(connection)
    return write(engine, work) if due else None
