"""Durable steps per second, 1, 4 and 8 processes, on one private PostgreSQL: python -m tests.bench.engine [SECONDS]

Ours beside a bare loop of two transactions a step, DBOS and TaskFlow, in turn, each in processes of their own. What
they have in common is the load (load.py); each keeps what it keeps, and has done a job before the clock runs: what a
process does once is not a step's price. The processor's time is that of the processes,
not of the database. Needs the extra "bench".
"""

import importlib
import os
import resource
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from statistics import median

from tests.bench.engine.load import STEPS
from tests.db import servers

ENGINES = ("bare", "ours", "dbos", "taskflow")
PROCESSES = (1, 4, 8)
ROUNDS = 3
#: Jobs of one process in one round.
_JOBS = {"bare": 10, "ours": 10, "dbos": 10, "taskflow": 2}
_SPAWN = get_context("spawn")


def work(engine: str, url: str, jobs: int, start: Barrier, told: "Queue[tuple[int, float, float, float]]") -> None:
    """Tells jobs done, when it began and ended, and its processor's seconds in between."""
    worker = importlib.import_module(f"tests.bench.engine.{engine}").Worker(url)
    worker.run(1)
    start.wait()
    began, used = time.monotonic(), _used()
    done = worker.run(jobs)
    told.put((done, began, time.monotonic(), _used() - used))
    worker.close()


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measure(engine: str, url: str, processes: int) -> tuple[float, float]:
    """Steps per second, and milliseconds of the processor a step."""
    jobs = _JOBS[engine]
    importlib.import_module(f"tests.bench.engine.{engine}").prepare(url, (1 + jobs) * processes)
    start, told = _SPAWN.Barrier(processes), _SPAWN.Queue()
    each = [_SPAWN.Process(target=work, args=(engine, url, jobs, start, told)) for _ in range(processes)]
    for process in each:
        process.start()
    results = [told.get(timeout=600) for _ in each]
    for process in each:
        process.join()
    steps = STEPS * sum(done for done, *_ in results)
    seconds = max(end for _, _, end, _ in results) - min(begin for _, begin, _, _ in results)
    return steps / seconds, 1000 * sum(used for *_, used in results) / steps


def main() -> None:
    print(f"{STEPS} steps a job, median of {ROUNDS} rounds, on processors {sorted(os.sched_getaffinity(0))}")
    with tempfile.TemporaryDirectory(prefix="liveupdate-bench-") as folder, servers.postgresql(Path(folder)) as url:
        for processes in PROCESSES:
            rounds = [{engine: measure(engine, url, processes) for engine in ENGINES} for _ in range(ROUNDS)]
            for engine in ENGINES:
                speed, used = (median(each[engine][n] for each in rounds) for n in (0, 1))
                ratio = median(each[engine][0] / each["bare"][0] for each in rounds)
                figures = f"{speed:7.0f} steps/s  {ratio:5.2f} of bare  {used:6.2f} ms of processor a step"
                print(f"{processes} processes  {engine:9} {figures}", flush=True)


if __name__ == "__main__":
    main()
