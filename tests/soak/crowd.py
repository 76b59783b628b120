"""Worker processes, some of which are killed."""

import random
import time
from collections.abc import Container
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.soak.worker import main

#: A worker is forked off one that has imported all it needs: a process that is killed is followed by another at once.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.soak.worker"])
#: Seconds until a worker has loaded and opened all that it works with, and that it has to stop.
_SETTLES, _STOPS = 5.0, 60.0


class Crowd:
    """``workers`` processes; one that is killed is followed by another."""

    def __init__(self, database: str, broker: str, folder: Path, workers: int) -> None:
        self._for = (database, broker, folder)
        self._there: list[BaseProcess] = []
        self._since: dict[int, float] = {}
        self._at_begin: dict[int, float] = {}
        for _ in range(workers):
            self._start()

    def kill_one(self, chance: random.Random) -> None:
        struck = self._there.pop(chance.randrange(len(self._there)))
        struck.kill()
        struck.join()
        self._at_begin.pop(_pid(struck), None)
        self._start()

    def note(self, heard: Container[int]) -> None:
        """Remember what memory they have once they have found into their work; ``heard``: who listens for sure."""
        for process in self._there:
            if _pid(process) in heard and time.monotonic() - self._since[_pid(process)] > _SETTLES:
                self._at_begin.setdefault(_pid(process), _memory(_pid(process)))

    def memory(self) -> tuple[tuple[float, float], ...]:
        return tuple((begin, _memory(pid)) for pid, begin in self._at_begin.items())

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
        self._since[_pid(process)] = time.monotonic()
        self._there.append(process)


def _pid(process: BaseProcess) -> int:
    assert process.pid is not None, "it was started"
    return process.pid


def _memory(pid: int) -> float:
    """Of a process, what it has in memory, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024
