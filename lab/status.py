"""What of the lab runs, where it listens, what it holds in memory, and the last words of what died."""

from collections.abc import Iterable
from dataclasses import dataclass

from lab import processes


@dataclass(frozen=True)
class Line:
    """One process: port None where it serves none, memory in bytes."""

    name: str
    alive: bool
    pid: int
    port: int | None
    memory: int


def status(ports: dict[str, int]) -> bool:
    """Print the table; whether the lab runs, whole."""
    lines = [_look(name, ports.get(name)) for name in processes.names()]
    print(table(lines), end="")
    for line in lines:
        if not line.alive:
            print(f"\n{line.name} died; the end of {processes.log_file(line.name)}:\n{processes.tail(line.name)}")
    return bool(lines) and all(line.alive for line in lines)


def table(lines: Iterable[Line]) -> str:
    rows = [("process", "state", "pid", "port", "MiB")]
    lines = sorted(lines, key=lambda line: line.name)
    for line in lines:
        port = "" if line.port is None else str(line.port)
        rows.append((line.name, "up" if line.alive else "DEAD", str(line.pid), port, str(line.memory >> 20)))
    up = sum(line.alive for line in lines)
    rows.append((f"{up} of {len(lines)} up", "", "", "", str(sum(line.memory for line in lines) >> 20)))
    return "".join(f"{name:24} {state:5} {pid:>8} {port:>6} {memory:>6}\n" for name, state, pid, port, memory in rows)


def _look(name: str, port: int | None) -> Line:
    recorded = processes.recorded(name)
    return Line(name, processes.alive(name), recorded[0] if recorded else 0, port, processes.memory(name))
