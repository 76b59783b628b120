"""Every step of the method surrogate × every fault that can hit it: which trials there are, and their table."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sqlalchemy import Engine

from liveupdate.testing.faults import FAULTS, Fault
from liveupdate.testing.points import Point
from tests.faults.doubles import play
from tests.faults.stage import COURSES, FIRST, Outcome, Trial

#: (row, fault's name)
Cell = tuple[str, str]


def _row(course: str, point: Point) -> str:
    """The row that a point belongs to; "" if it is another course's."""
    if course == "forward":
        return point.step or "(claim)"
    if point.way == "undo":
        return f"undo of {point.step}" + (", moved back" if course == "back" else "")
    return point.step if point.step.startswith("back.") else ""


def trials(engine: Engine, faults: Iterable[Fault] = FAULTS.values(), *, world: str = FIRST) -> dict[Cell, list[Trial]]:
    """One for each fault at each point where it can hit, the first time that the point is passed."""
    found: dict[Cell, list[Trial]] = defaultdict(list)
    for course in COURSES:
        outcome, passed = play(engine, Trial(course, world=world))
        assert not outcome.violations, outcome
        for point in dict.fromkeys(passed):
            for fault in faults if _row(course, point) else ():
                if fault.hits(point):
                    found[_row(course, point), fault.name].append(Trial(course, fault, point, world))
    return dict(found)


def one_each(found: Mapping[Cell, Sequence[Trial]], seed: int) -> dict[Cell, list[Trial]]:
    """Of each cell one trial, by chance."""
    chance = random.Random(seed)  # noqa: S311 - which is tried is no secret
    return {cell: [chance.choice(there)] for cell, there in found.items()}


def table(outcomes: Mapping[Cell, Sequence[Outcome]], faults: Iterable[str] = FAULTS) -> Iterator[str]:
    """How the trials of each cell ended: d(one), u(ndone), p(arked), v(ain); "!" where a promise is broken."""
    there = {name for _, name in outcomes}
    names = [name for name in faults if name in there]
    yield "| step | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 1) + "|"
    for row in dict.fromkeys(row for row, _ in outcomes):
        yield f"| {row} | " + " | ".join(_told(outcomes.get((row, name), ())) for name in names) + " |"


def _told(ended: Sequence[Outcome]) -> str:
    counted = sorted(Counter(outcome.end for outcome in ended).items())
    violated = sum(bool(outcome.violations) for outcome in ended)
    return " ".join(f"{end[0]}{count}" for end, count in counted) + (f" **{violated}!**" if violated else "")
