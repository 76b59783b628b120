"""A cloud that worker processes share: a folder. What is made there, and each call, outlives a killed worker."""

import os
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

#: Seconds that an answer takes, and that a server takes to be built.
ANSWER, BUILD = 0.1, 2.0


class FolderCloud:
    """``made/`` has a file for each thing, ``gone/`` those that were taken away. ``calls`` has a line for each list,
    each get, and for what was to be made twice; and for each nudge that a worker has heard, by its pid."""

    def __init__(self, folder: Path) -> None:
        self._made = folder / "made"
        self._gone = folder / "gone"
        for place in (self._made, self._gone):
            place.mkdir(exist_ok=True)
        self._calls = os.open(folder / "calls", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._log = folder / "calls"

    def is_made(self, name: str) -> bool:
        return (self._made / name).exists()

    def make(self, name: str) -> None:
        self._answer()
        try:
            (self._made / name).touch(exist_ok=False)
        except FileExistsError:
            self.count("twice", name)
        if (self._gone / name).exists():
            self.count("twice", name)

    def remove(self, *names: str) -> None:
        """All of them in one call; one that is gone already is nothing."""
        self._answer()
        for name in names:
            with suppress(FileNotFoundError):
                (self._made / name).rename(self._gone / name)

    def get(self, name: str) -> str:
        self._answer()
        self.count("get", name)
        return _state((self._made / name).stat().st_mtime)

    def states(self) -> Mapping[str, str]:
        """All that there are in one call, as a list of the cloud's servers."""
        self.count("list", "")
        told: dict[str, str] = {}
        for entry in os.scandir(self._made):
            with suppress(FileNotFoundError):
                told[entry.name] = _state(entry.stat().st_mtime)
        return told

    def calls(self) -> Counter[str]:
        return Counter(line.split()[0] for line in self._log.read_text().splitlines())

    def heard(self) -> Counter[int]:
        """Nudges by the pids of workers."""
        lines = (line.split() for line in self._log.read_text().splitlines())
        return Counter(int(told[1]) for told in lines if told[0] == "nudge")

    def made(self) -> set[str]:
        """All that ever were."""
        return {*os.listdir(self._made), *os.listdir(self._gone)}

    def _answer(self) -> None:
        time.sleep(ANSWER)

    def count(self, call: str, name: str) -> None:
        os.write(self._calls, f"{call} {name}\n".encode())


def _state(made_at: float) -> str:
    return "ACTIVE" if time.time() - made_at > BUILD else "BUILD"
