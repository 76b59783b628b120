"""One engine at work in so many processes. What a spawned process runs cannot stand in __main__.py."""

import importlib
import resource
import time
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier

from tests.bench.engine.load import STEPS

#: Jobs of one process before the clock runs: a statement is prepared, and its plan is kept, when it has been used ten
#: times, and some are used once in a job. TaskFlow has none.
_WARMING = {"bare": 12, "ours": 12, "dbos": 12, "taskflow": 1}
#: Those of one round, after that.
_JOBS = {"bare": 50, "ours": 50, "dbos": 15, "taskflow": 2}
_SPAWN = get_context("spawn")


def measure(engine: str, url: str, processes: int) -> tuple[float, float]:
    """Steps per second, and milliseconds of the processor a step. Raises EOFError if a process dies."""
    jobs = _JOBS[engine]
    importlib.import_module(f"tests.bench.engine.{engine}").prepare(url, (_WARMING[engine] + jobs) * processes)
    start = _SPAWN.Barrier(processes)
    each = [_begun(engine, url, jobs, start) for _ in range(processes)]
    results = [told.recv() for told in each]
    steps = STEPS * sum(done for done, *_ in results)
    seconds = max(end for _, _, end, _ in results) - min(begin for _, begin, _, _ in results)
    return steps / seconds, 1000 * sum(used for *_, used in results) / steps


def _begun(engine: str, url: str, jobs: int, start: Barrier) -> "Connection[None, tuple[int, float, float, float]]":
    told, tell = _SPAWN.Pipe(duplex=False)
    with tell:
        _SPAWN.Process(target=_work, args=(engine, url, jobs, start, tell), daemon=True).start()
    return told


def _work(
    engine: str, url: str, jobs: int, start: Barrier, tell: "Connection[tuple[int, float, float, float], None]"
) -> None:
    """Tells jobs done, when it began and ended, and its processor's seconds in between."""
    worker = importlib.import_module(f"tests.bench.engine.{engine}").Worker(url)
    worker.run(_WARMING[engine])
    start.wait()
    began, used = time.monotonic(), _used()
    done = worker.run(jobs)
    tell.send((done, began, time.monotonic(), _used() - used))
    worker.close()


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
