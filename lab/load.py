"""How busy the hosts say they are: a small /proc for each, whose figures anybody may choose, under their exporters.

Simulated hosts have no load, and both real ones would tell that of this one machine. ``choose`` says what a host's
shares are from now on; this process, python -m lab.load <host>…, lets its processor times grow accordingly.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab import settings

#: Of a host whose figures nobody has chosen.
USUAL = (0.05, 0.25)
#: Seconds between two writings.
INTERVAL = 2.0
#: Ticks a second of the times in /proc/stat, as all of Linux has them for programs.
_HERTZ = 100
_MEMORY = 64 << 20  # KiB


@dataclass(frozen=True)
class Times:
    """Seconds that the host's processor has been busy and idle since it started."""

    busy: float = 0.0
    idle: float = 0.0

    def after(self, seconds: float, cpu: float) -> "Times":
        return Times(self.busy + seconds * cpu, self.idle + seconds * (1 - cpu))


def procfs(host: str) -> Path:
    """The folder that stands for the host's /proc."""
    return _home(host) / "proc"


def choose(host: str, cpu: float, memory: float) -> None:
    """Say from now on that these shares, 0 to 1, are in use on the host."""
    _replace(_home(host) / "shares", f"{cpu} {memory}")


def forget(host: str) -> None:
    """Back to the usual figures."""
    (_home(host) / "shares").unlink(missing_ok=True)


def shares(host: str) -> tuple[float, float]:
    """Of processors and of memory, as chosen. Raises ValueError where the file has no two shares."""
    try:
        cpu, memory = map(float, (_home(host) / "shares").read_text().split())
    except FileNotFoundError:
        return USUAL
    if not (0 <= cpu <= 1 and 0 <= memory <= 1):
        raise ValueError(f"shares are from 0 to 1, not {cpu} and {memory}")
    return cpu, memory


def write(host: str, times: Times, memory: float) -> None:
    """What the host's exporter reads: /proc/stat with one processor, /proc/meminfo."""
    user, idle = round(times.busy * _HERTZ), round(times.idle * _HERTZ)
    line = f"{user} 0 0 {idle} 0 0 0 0 0 0"
    _replace(procfs(host) / "stat", f"cpu  {line}\ncpu0 {line}\n")
    free = round(_MEMORY * (1 - memory))
    _replace(procfs(host) / "meminfo", f"MemTotal: {_MEMORY} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\n")


def times(host: str) -> Times:
    """As last written, so that they go on where they were after a death or a pause."""
    try:
        fields = (procfs(host) / "stat").read_text().split()
    except FileNotFoundError:
        return Times()
    return Times(int(fields[1]) / _HERTZ, int(fields[4]) / _HERTZ)


def main(hosts: list[str]) -> None:
    known, wanted, last = {host: times(host) for host in hosts}, dict.fromkeys(hosts, USUAL), time.monotonic()
    while True:
        now = time.monotonic()
        for host in hosts:
            try:
                wanted[host] = shares(host)
            except ValueError as error:  # somebody is writing it at this moment, or wrote nonsense
                print(f"{host}: {error}", flush=True)
            cpu, memory = wanted[host]
            known[host] = known[host].after(now - last, cpu)
            write(host, known[host], memory)
        last = now
        time.sleep(INTERVAL)


def _home(host: str) -> Path:
    return settings.STATE / "metrics" / host


def _replace(path: Path, text: str) -> None:
    """In one step: whoever reads at this moment finds the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.draft")
    draft.write_text(text)
    os.replace(draft, path)


if __name__ == "__main__":
    main(sys.argv[1:])
