"""Room on hosts is held by one job at a time, until Nova has it: on SQLite, MariaDB and PostgreSQL."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest
from sqlalchemy import Engine, delete, update

from liveupdate.db import reservations
from liveupdate.db.purge import purge
from liveupdate.db.session import read, write
from liveupdate.db.tables import jobs, reserved_hosts
from liveupdate.db.tables import reservations as table
from liveupdate.model import Held, Reservation
from liveupdate.planning.eligibility import Need, room
from liveupdate.planning.fleet import HostFacts, Inventory
from liveupdate.planning.groups import DEFAULT, HostGroup, Rules
from liveupdate.planning.placement import choose
from liveupdate.states import JobState
from liveupdate.testing.jobs import accept

TWIN = {"VCPU": 2, "MEMORY_MB": 1024}


@pytest.fixture(autouse=True)
def _no_marks(database: Engine) -> None:
    write(database, lambda connection: connection.execute(delete(reserved_hosts)))


def take(engine: Engine, job: str, host: str = "a", vcpus: int = 2, mark: int = 0) -> bool:
    free = {"VCPU": vcpus, "MEMORY_MB": 4096}
    return write(engine, lambda c: reservations.take(c, job, host, TWIN, free, mark, 600))


def held(engine: Engine, but: str = "") -> dict[str, Held]:
    with read(engine) as connection:
        return reservations.held(connection, but)


def mine(engine: Engine, job: str) -> Reservation | None:
    with read(engine) as connection:
        return reservations.get(connection, job)


def expire(engine: Engine, job: str) -> None:
    write(engine, lambda c: c.execute(update(table).where(table.c.job_id == job).values(expires_at=1)))


def test_what_one_job_holds_another_cannot_take(database: Engine) -> None:
    first, second = accept(database), accept(database)
    assert take(database, first)
    assert not take(database, second)
    assert take(database, second, vcpus=4)
    assert held(database) == {"a": Held(0, {"VCPU": 4, "MEMORY_MB": 2048}, 2)}
    assert held(database, but=first) == {"a": Held(0, TWIN, 1)}


def test_a_job_holds_room_on_one_host_only(database: Engine) -> None:
    job = accept(database)
    assert take(database, job)
    assert take(database, job)
    assert take(database, job, "b")
    assert {host: h.jobs for host, h in held(database).items()} == {"a": 0, "b": 1}


def test_it_ends_with_its_time(database: Engine) -> None:
    first, second = accept(database), accept(database)
    assert take(database, first)
    expire(database, first)
    assert mine(database, first) == Reservation(first, "a", TWIN, {}, False)
    assert not write(database, lambda c: reservations.renew(c, first, 600))
    assert take(database, second)


def test_renewed_it_lasts(database: Engine) -> None:
    job = accept(database)
    assert not write(database, lambda c: reservations.renew(c, job, 600))
    take(database, job)
    assert write(database, lambda c: reservations.renew(c, job, 600))


def test_once_one_has_ended_what_placement_said_before_does_not_count(database: Engine) -> None:
    first, second = accept(database), accept(database)
    take(database, first)
    looked = held(database)["a"].mark
    for _ in range(2):
        write(database, lambda c: reservations.release(c, first))
    # the twin is in Nova now: whoever asked Placement earlier does not know
    assert not take(database, second, mark=looked)
    assert take(database, second, mark=held(database)["a"].mark)


def test_a_refusal_gives_the_room_back_and_is_remembered(database: Engine) -> None:
    first, second = accept(database), accept(database)
    take(database, first)
    for _ in range(2):
        write(database, lambda c: reservations.refuse(c, first, "a", "no valid host"))
    there = mine(database, first)
    assert there is not None
    assert (there.live, there.refused) == (False, {"a": "no valid host"})
    assert take(database, second, mark=1)
    assert take(database, first, "b")
    again = mine(database, first)
    assert again is not None
    assert (again.live, again.refused) == (True, {"a": "no valid host"})


def test_a_refusal_needs_no_reservation(database: Engine) -> None:
    job = accept(database)
    write(database, lambda c: reservations.refuse(c, job, "a", "no"))
    there = mine(database, job)
    assert there is not None
    assert (there.live, there.refused) == (False, {"a": "no"})


def test_it_goes_with_its_job(database: Engine) -> None:
    job = accept(database)
    take(database, job)
    ended = {"state": JobState.SUCCEEDED, "finished_at": 1, "trust_id": ""}
    write(database, lambda c: c.execute(update(jobs).where(jobs.c.id == job).values(**ended)))
    assert write(database, lambda c: purge(c, 30)) == 1
    assert mine(database, job) is None


class Placement:
    """What Nova has claimed so far, host by host; more than there is cannot be claimed."""

    def __init__(self, capacities: dict[str, int]) -> None:
        self.capacities = capacities
        self.used: Counter[str] = Counter()
        self.refused = 0
        self._lock = Lock()

    def look(self) -> dict[str, int]:
        with self._lock:
            return dict(self.used)

    def claim(self, host: str) -> None:
        with self._lock:
            if self.used[host] + TWIN["VCPU"] > self.capacities[host]:
                self.refused += 1
            else:
                self.used[host] += TWIN["VCPU"]


def test_of_fifty_jobs_that_place_at_once_ten_get_the_room_for_ten(database: Engine) -> None:
    twins = {"host1": 3, "host2": 2, "host3": 2, "host4": 1, "host5": 1, "host6": 1}
    cloud = Placement({host: n * TWIN["VCPU"] for host, n in twins.items()})
    group = HostGroup(DEFAULT, Rules(), tuple(twins))
    waiting = [accept(database) for _ in range(50)]
    start = Barrier(len(waiting))

    def facts(now: dict[str, Held], used: dict[str, int]) -> list[HostFacts]:
        memory = Inventory(1 << 20)
        return [
            HostFacts(
                name=host,
                servers=used.get(host, 0) // TWIN["VCPU"] + now.get(host, Held()).jobs,
                inventories={"VCPU": Inventory(capacity, used=used.get(host, 0)), "MEMORY_MB": memory},
                held=now.get(host, Held()).resources,
            )
            for host, capacity in cloud.capacities.items()
        ]

    def held_by(job: str, host: str, free: dict[str, int], mark: int) -> bool:
        return write(database, lambda c: reservations.take(c, job, host, TWIN, free, mark, 600))

    def place(job: str) -> str:
        """As the steps place and provision do: look, ask Placement, take, have Nova claim, give back."""
        start.wait()
        while True:
            now = held(database, but=job)
            hosts = facts(now, cloud.look())
            choice = choose(Need(job, "elsewhere", TWIN), hosts, group)
            if not choice.hosts and not choice.held_back:
                return ""
            if not choice.hosts:
                continue
            best = next(h for h in hosts if h.name == choice.hosts[0])
            mark = now.get(best.name, Held()).mark
            if held_by(job, best.name, room(best, group, TWIN), mark):
                cloud.claim(best.name)
                write(database, lambda c: reservations.release(c, job))
                return best.name

    with ThreadPoolExecutor(len(waiting)) as threads:
        placed = Counter(filter(None, threads.map(place, waiting)))
    assert placed == twins
    assert cloud.refused == 0
    assert {host: h.jobs for host, h in held(database).items()} == dict.fromkeys(twins, 0)
