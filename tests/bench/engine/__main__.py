"""Durable steps per second, 1, 4 and 8 processes, on one private PostgreSQL: python -m tests.bench.engine

Ours beside a bare loop of two transactions a step, DBOS and TaskFlow, in turn, each in processes of their own. What
they have in common is the load (load.py); each keeps what it keeps, and has done jobs before the clock runs: what a
process does once is not a step's price. Ours takes jobs that have been accepted, the others make theirs. The
processor's time is that of the processes, not of the database. Needs the extra "bench".
"""

import os
import tempfile
from pathlib import Path
from statistics import median

from tests.bench.engine.load import STEPS
from tests.bench.engine.measure import measure
from tests.db import servers

ENGINES = ("bare", "ours", "dbos", "taskflow")
PROCESSES = (1, 4, 8)
ROUNDS = 5


def main() -> None:
    print(f"{STEPS} steps a job, median of {ROUNDS} rounds, on processors {sorted(os.sched_getaffinity(0))}")
    with tempfile.TemporaryDirectory(prefix="liveupdate-bench-") as folder, servers.postgresql(Path(folder)) as url:
        for processes in PROCESSES:
            rounds = [{engine: measure(engine, url, processes) for engine in ENGINES} for _ in range(ROUNDS)]
            for engine in ENGINES:
                speed, used = (median(each[engine][n] for each in rounds) for n in (0, 1))
                ratios = sorted(each[engine][0] / each["bare"][0] for each in rounds)
                ratio = f"{median(ratios):5.2f} of bare ({ratios[0]:.2f} to {ratios[-1]:.2f})"
                figures = f"{speed:7.0f} steps/s  {ratio}  {used:6.2f} ms of processor a step"
                print(f"{processes} processes  {engine:9} {figures}", flush=True)


if __name__ == "__main__":
    main()
