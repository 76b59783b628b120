"""Worker processes, some of which are killed."""

import random
import time
from collections.abc import Iterable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.soak.worker import main

#: A worker is forked off one that has imported all it needs: a process that is killed is followed by another at once.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.soak.worker"])
#: Seconds until a worker has loaded and opened all that it works with, and that it has to stop.
_SETTLES, _STOPS = 5.0, 60.0
#: Seconds between looks at a worker's memory.
_AGAIN = 600.0


class Crowd:
    """``workers`` processes; one that is killed is followed by another."""

    def __init__(self, database: str, broker: str, folder: Path, workers: int) -> None:
        self._for = (database, broker, folder)
        self._there: list[BaseProcess] = []
        #: When to look at each one's memory next, and what was seen by then.
        self._next: dict[int, float] = {}
        self._seen: dict[int, list[float]] = {}
        for _ in range(workers):
            self._start()

    def kill_one(self, chance: random.Random) -> None:
        struck = self._there.pop(chance.randrange(len(self._there)))
        struck.kill()
        struck.join()
        self._seen.pop(_pid(struck), None)
        self._start()

    def note(self, heard: Iterable[int]) -> None:
        """Remember what memory they have, once they have found into their work; ``heard``: who listens for sure."""
        for pid in self.pids() & set(heard):
            if time.monotonic() > self._next[pid]:
                self._seen.setdefault(pid, []).append(_memory(pid))
                self._next[pid] = time.monotonic() + _AGAIN

    def memory(self) -> tuple[tuple[float, ...], ...]:
        return tuple((*seen, _memory(pid)) for pid, seen in self._seen.items())

    def pids(self) -> set[int]:
        return {_pid(process) for process in self._there}

    def stop(self) -> None:
        for process in self._there:
            process.terminate()
        for process in self._there:
            process.join(_STOPS)
        deaf = [process for process in self._there if process.is_alive()]
        for process in deaf:
            process.kill()
        assert not deaf, f"{len(deaf)} workers did not stop"

    def _start(self) -> None:
        process = _PROCESSES.Process(target=main, args=self._for)
        process.start()
        self._next[_pid(process)] = time.monotonic() + _SETTLES
        self._there.append(process)


def _pid(process: BaseProcess) -> int:
    assert process.pid is not None, "it was started"
    return process.pid


def _memory(pid: int) -> float:
    """Of a process, what it has in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024
