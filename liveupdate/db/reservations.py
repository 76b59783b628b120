"""Room that jobs have asked for and Nova does not know of yet: so that two cannot both count on the last of it.

A job takes room in three moves: it looks at what is held, then asks Placement, then takes. Taking is refused if more is
held by then than there is room for, and if a reservation has ended since the first move: what it had held may be in
Placement by now, and Placement was asked too early to tell.
"""

from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from liveupdate.db import clock
from liveupdate.db.tables import reservations, reserved_hosts
from liveupdate.model import Held, Reservation


def held(connection: Connection, but: str = "") -> dict[str, Held]:
    """host → what is held there now by all jobs but one. Hosts where nothing ever was are left out."""
    marks = {row.host: row.mark for row in connection.execute(select(reserved_hosts))}
    resources: dict[str, Counter[str]] = {}
    jobs: Counter[str] = Counter()
    live = select(reservations).where(reservations.c.expires_at > clock.now(), reservations.c.job_id != but)
    for row in connection.execute(live):
        resources.setdefault(row.host, Counter()).update(row.resources)
        jobs[row.host] += 1
    return {host: Held(marks.get(host, 0), dict(resources.get(host, {})), jobs[host]) for host in {*marks, *resources}}


def get(connection: Connection, job_id: str) -> Reservation | None:
    row = connection.execute(
        select(reservations, (reservations.c.expires_at > clock.now()).label("live")).where(
            reservations.c.job_id == job_id
        )
    ).first()
    if row is None:
        return None
    return Reservation(row.job_id, row.host, row.resources, row.refused, bool(row.live and row.resources))


def take(
    connection: Connection,
    job_id: str,
    host: str,
    resources: Mapping[str, int],
    room: Mapping[str, int],
    mark: int,
    seconds: float,
) -> bool:
    """Hold ``resources`` on ``host`` for so many seconds, instead of what the job held; False if it may not.

    ``room``: what Placement says is free, whatever is held; ``mark``: the host's when it was looked at.
    """
    if _lock(connection, host) != mark:
        return False
    others = held(connection, but=job_id).get(host, Held()).resources
    if any(amount > room.get(name, 0) - others.get(name, 0) for name, amount in resources.items()):
        return False
    until = clock.now() + clock.microseconds(seconds)
    values = {"host": host, "resources": dict(resources), "expires_at": until}
    there = update(reservations).where(reservations.c.job_id == job_id).values(**values)
    if connection.execute(there).rowcount == 0:
        connection.execute(insert(reservations).values(job_id=job_id, refused={}, **values))
    return True


def renew(connection: Connection, job_id: str, seconds: float) -> bool:
    """Hold it for so many seconds from now; False if there is nothing, or its time is over."""
    there = get(connection, job_id)
    if there is None or not there.live:
        return False
    _lock(connection, there.host)
    until = clock.now() + clock.microseconds(seconds)
    here = (reservations.c.job_id == job_id, reservations.c.expires_at > clock.now())
    return connection.execute(update(reservations).where(*here).values(expires_at=until)).rowcount == 1


def release(connection: Connection, job_id: str) -> None:
    """Give it back: Nova has taken the room, or nobody will. Nothing happens if that was done."""
    there = get(connection, job_id)
    if there is None or not there.resources:
        return
    _lock(connection, there.host)
    ended = update(reserved_hosts).where(reserved_hosts.c.host == there.host)
    connection.execute(ended.values(mark=reserved_hosts.c.mark + 1))
    here = update(reservations).where(reservations.c.job_id == job_id)
    connection.execute(here.values(resources={}, expires_at=0))


def refuse(connection: Connection, job_id: str, host: str, why: str) -> None:
    """Remember that Nova would not have the job's surrogate there, and give back what it held there."""
    there = get(connection, job_id)
    if there is None:
        values = {"host": host, "resources": {}, "refused": {host: why}, "expires_at": 0}
        connection.execute(insert(reservations).values(job_id=job_id, **values))
        return
    if there.host == host:
        release(connection, job_id)
    refused = {**there.refused, host: why}
    connection.execute(update(reservations).where(reservations.c.job_id == job_id).values(refused=refused))


def _lock(connection: Connection, host: str) -> int:
    """Keep all others from taking on this host until the transaction ends; its mark."""
    row = reserved_hosts.c.host == host
    queue = update(reserved_hosts).where(row).values(mark=reserved_hosts.c.mark)
    if connection.execute(queue).rowcount == 0:
        try:
            with connection.begin_nested():
                connection.execute(insert(reserved_hosts).values(host=host, mark=0))
        except IntegrityError:
            connection.execute(queue)
    mark: int = connection.execute(select(reserved_hosts.c.mark).where(row)).scalar_one()
    return mark
