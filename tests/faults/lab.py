"""The matrix's part in the lab, printed, and written into docs/reliability.md: python -m tests.faults.lab [SEED]

Each fault in each step that works on the cloud, on its way there and back, at one point of it, which the seed chooses.
Exits 1 if anything that is promised is not so.
"""

import logging
import random
import sys
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import openstack
from sqlalchemy import Engine

from lab.demo import inventory
from liveupdate.testing.faults import FAULTS, Fault
from liveupdate.testing.points import Point
from tests import document
from tests.faults import databases
from tests.faults.matrix import Cell, table, trials
from tests.faults.real_cloud import RealCloud
from tests.faults.stage import Outcome, Trial, perform
from tests.lab.originals import Tenant, tenant

STEPS = ("lock", "fallback", "reserve_port", "mirror", "place", "provision", "attach", "release_original", "clean_up")
_ROWS = {*STEPS, *(f"undo of {step}" for step in STEPS)}
#: Trials at a time, each with a project and a server of its own.
LANES = 6
#: Verbs of the cloud's resources that change nothing.
_LOOKS = frozenset(
    {"all", "by_tag", "exists", "find", "floating_addresses", "get", "groups", "id_of", "left", "link", "list"}
    | {"of_server", "offers", "on_host", "physical_network", "stock", "user_data", "volumes"}
)

Ended = tuple[Cell, Trial, Outcome]


def _killed(when: str) -> Fault:
    def hits(point: Point) -> bool:
        return (point.kind, point.when) == ("cloud", when)

    return replace(FAULTS["kill -9"], name=f"killed {when}", hits=hits)


_AS_EVER = (
    "db away",
    "5xx",
    "409",
    "429",
    "answer lost",
    "token",
    "trust",
    "quota",
    "locked",
    "stopped",
    "deleted",
    "surrogate off",
    "surrogate lost",
    "cancelled",
)
LAB_FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (_killed("before"), _killed("after"), *(FAULTS[name] for name in _AS_EVER))
}


def chosen(engine: Engine, seed: int) -> dict[Cell, Trial]:
    """Of each cell one trial by chance, at a call that changes something if there is one.

    The points are those that the steps pass on the doubles of the cloud.
    """
    chance = random.Random(seed)  # noqa: S311 - which is tried is no secret
    found = trials(engine, LAB_FAULTS.values())
    return {cell: chance.choice(_telling(there)) for cell, there in found.items() if cell[0] in _ROWS}


def _telling(there: Sequence[Trial]) -> Sequence[Trial]:
    changing = [t for t in there if t.point and t.point.kind == "cloud" and not _looks(t.point)]
    return changing or there


def _looks(point: Point) -> bool:
    return point.call.rpartition(".")[2] in _LOOKS


def run(todo: Iterable[tuple[Cell, Trial]], tell: Callable[[str], object] = str) -> list[Ended]:
    """All of them, several at a time. ``tell`` hears of each as it ends."""
    waiting = deque(todo)
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(_lane, waiting, tell) for _ in range(min(LANES, len(waiting)))]
        return [ended for lane in lanes for ended in lane.result()]


def _lane(waiting: deque[tuple[Cell, Trial]], tell: Callable[[str], object]) -> list[Ended]:
    ended = []
    with tenant(openstack.connect(cloud="admin")) as own, databases.opened("sqlite") as engine:
        while waiting:
            try:
                cell, trial = waiting.popleft()
            except IndexError:
                break
            began = time.monotonic()
            outcome = _play(engine, own, trial)
            ended.append((cell, trial, outcome))
            what = "; ".join(outcome.violations) or "as promised"
            tell(f"{trial}: {outcome.end} in {time.monotonic() - began:.0f} s, {what}")
    return ended


def _play(engine: Engine, own: Tenant, trial: Trial) -> Outcome:
    try:
        return perform(RealCloud(engine, tenant=own), trial)[0]
    except Exception as error:
        logging.getLogger(__name__).exception("%s", trial)
        return Outcome("broken", (f"{type(error).__name__}: {error}",))


def report(ended: Sequence[Ended], seed: int, seconds: float, left: Sequence[str]) -> Iterator[str]:
    yield f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {seed}, {seconds / 60:.0f} minutes."
    yield ""
    ends = ", ".join(f"{n} {end}" for end, n in sorted(Counter(outcome.end for _, _, outcome in ended).items()))
    violated = sum(bool(outcome.violations) for _, _, outcome in ended)
    yield f"{len(ended)} faults: {ends}; **{violated} violations**; left in the whole cloud: {len(left)}"
    yield ""
    yield from table({cell: [outcome] for cell, _, outcome in ended}, LAB_FAULTS)


def main(seed: int) -> int:
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")  # openstacksdk and its libraries warn about each other
    admin = openstack.connect(cloud="admin")
    began, before = time.monotonic(), inventory.take(admin)
    with databases.opened("sqlite") as engine:
        todo = chosen(engine, seed)
    ended = run(todo.items(), lambda told: print(told, file=sys.stderr, flush=True))
    left = inventory.left_behind(admin, before, set())
    # in the order of the steps, whichever ended first
    ended.sort(key=lambda one: list(todo).index(one[0]))
    told = "\n".join(report(ended, seed, time.monotonic() - began, left))
    print(told, *left, sep="\n")
    document.write("lab matrix", told)
    return 1 if left or any(outcome.violations for _, _, outcome in ended) else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom().randrange(1 << 32)))
