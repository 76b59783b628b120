"""A job's reservation of room, and what other jobs hold: see db/reservations.py. Each write is fenced by the claim."""

from collections.abc import Mapping

from liveupdate.db import reservations
from liveupdate.engine.journal import Journal
from liveupdate.model import Held, Reservation


class Reservations:
    """See steps/protocol.py: Reservations."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._job = journal.claim.job_id

    def held(self) -> Mapping[str, Held]:
        return self._journal.fenced(lambda connection: reservations.held(connection, but=self._job))

    def mine(self) -> Reservation | None:
        return self._journal.fenced(lambda connection: reservations.get(connection, self._job))

    def take(self, host: str, resources: Mapping[str, int], room: Mapping[str, int], mark: int, seconds: float) -> bool:
        return self._journal.fenced(
            lambda connection: reservations.take(connection, self._job, host, resources, room, mark, seconds)
        )

    def renew(self, seconds: float) -> bool:
        return self._journal.fenced(lambda connection: reservations.renew(connection, self._job, seconds))

    def release(self) -> None:
        self._journal.fenced(lambda connection: reservations.release(connection, self._job))

    def refuse(self, host: str, why: str) -> None:
        self._journal.fenced(lambda connection: reservations.refuse(connection, self._job, host, why))
