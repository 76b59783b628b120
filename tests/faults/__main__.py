"""The whole matrix, printed, and written into docs/reliability.md: python -m tests.faults [SEED]

On SQLite every fault at every point of every step; on MariaDB and PostgreSQL, and for servers of other kinds, every
fault in every step at one point of it, which the seed chooses. Exits 1 if anything that is promised is not so.
"""

import logging
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime

from tests import document
from tests.faults import databases
from tests.faults.doubles import WORLDS, play
from tests.faults.matrix import Cell, one_each, table, trials
from tests.faults.stage import FIRST, Outcome

Outcomes = Mapping[Cell, Sequence[Outcome]]
#: The whole of it, and whatever else there is one trial of each cell of: (database, world).
WHOLE = ("sqlite", FIRST)
PARTS = {
    "sqlite": WHOLE,
    **{name: (name, FIRST) for name in databases.NAMES[1:]},
    **{f"sqlite, {world}": ("sqlite", world) for world in WORLDS if world != FIRST},
}


def part(name: str, seed: int, number: int, of: int) -> list[tuple[Cell, str, Outcome]]:
    """Every ``of``-th trial of PARTS[name], by its name, on a database of its own."""
    database, world = PARTS[name]
    with databases.opened(database) as engine:
        found = trials(engine, world=world)
        chosen = found if PARTS[name] == WHOLE else one_each(found, seed)
        todo = [(cell, trial) for cell, there in chosen.items() for trial in there]
        return [(cell, str(trial), play(engine, trial)[0]) for cell, trial in todo[number::of]]


def report(outcomes: Mapping[str, Outcomes], seed: int, seconds: float) -> Iterator[str]:
    yield f"Run of {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, seed {seed}, {seconds / 60:.0f} minutes."
    yield ""
    for name, cells in outcomes.items():
        all_of = [outcome for ended in cells.values() for outcome in ended]
        ends = ", ".join(f"{n} {end}" for end, n in sorted(Counter(o.end for o in all_of).items()))
        violated = sum(bool(o.violations) for o in all_of)
        yield f"**{name}**: {len(all_of)} faults in {len(cells)} cells: {ends}; **{violated} violations**"
        yield ""
    yield "On SQLite:"
    yield ""
    yield from table(outcomes["sqlite"])


def main(seed: int) -> int:
    workers, began = len(os.sched_getaffinity(0)), time.monotonic()
    outcomes: dict[str, dict[Cell, list[Outcome]]] = {}
    violations = 0
    with ProcessPoolExecutor(workers, initializer=logging.disable) as pool:
        begun = {name: [pool.submit(part, name, seed, n, workers) for n in range(workers)] for name in PARTS}
        for name, parts in begun.items():
            cells = outcomes.setdefault(name, defaultdict(list))
            for cell, trial, outcome in (ended for each in parts for ended in each.result()):
                cells[cell].append(outcome)
                violations += bool(outcome.violations)
                for what in outcome.violations:
                    print(f"{name}: {trial}: {what}", file=sys.stderr)
    told = "\n".join(report(outcomes, seed, time.monotonic() - began))
    print(told)
    document.write("matrix", told)
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else random.SystemRandom().randrange(1 << 32)))
