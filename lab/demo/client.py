"""A client that holds ONE connection, writes without pause, and remembers what was acknowledged.

``python -m lab.demo.client kv|tick HOST OUT.json`` runs until SIGTERM, then checks every acknowledged write and leaves
its findings in OUT.json: {"writes", "lost", "errors": [text], "gaps_ms": [the longest first], "longest_gap_ms",
"longest_gap_at", "local_port"}. Standard library only, and a process of its own, so that nothing else in the demo or a
test can delay it and be mistaken for a blackout. It prints a line once its first write is acknowledged.
"""

import argparse
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

#: Keys in use; each holds the number of the newest write to it.
_KEYS = 5000
#: Pauses shorter than this are the ordinary jitter of emulated guests.
_GAP_MS = 250.0
#: Seconds for the server to be there at all.
_PATIENCE = 60.0


@dataclass
class Findings:
    writes: int = 0
    lost: int = 0
    errors: list[str] = field(default_factory=list)
    gaps_ms: list[float] = field(default_factory=list)
    longest_gap_ms: float = 0.0
    #: Unix time at which the longest gap began.
    longest_gap_at: float = 0.0
    local_port: int = 0


class Workload(Protocol):
    port: int

    def write(self, number: int) -> None:
        """Return once the write is acknowledged; raise OSError or ValueError otherwise."""

    def lost(self, writes: int) -> int:
        """How many of the acknowledged writes 1…writes are not there."""


class KeyValue:
    """The unit kv (redis): SET, then GET of the same key."""

    port = 6379

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._answers: BinaryIO = connection.makefile("rb")

    def write(self, number: int) -> None:
        key, value = b"write-%d" % (number % _KEYS), b"%d" % number
        self._send(b"SET", key, value)
        if self._read() != b"OK":
            raise ValueError(f"write {number} was not acknowledged")
        if self._get(key) != value:
            raise ValueError(f"write {number} was acknowledged and is not there")

    def lost(self, writes: int) -> int:
        newest = range(max(1, writes - _KEYS + 1), writes + 1)
        return sum(self._get(b"write-%d" % (n % _KEYS)) != b"%d" % n for n in newest)

    def _get(self, key: bytes) -> bytes | None:
        self._send(b"GET", key)
        return self._read()

    def _send(self, *words: bytes) -> None:
        self._socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def _read(self) -> bytes | None:
        line = self._answers.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionResetError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ValueError(rest.decode(errors="replace"))
        if kind != b"$":
            return rest
        return None if rest == b"-1" else self._answers.read(int(rest) + 2)[:-2]


class Tick:
    """The unit tick: each line sent is counted, appended to a log on the root disk, then answered with its count."""

    port = 9000

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._answers: BinaryIO = connection.makefile("rb")

    def write(self, number: int) -> None:
        self._socket.sendall(b"x\n")
        line = self._answers.readline().split()
        if len(line) < 2 or int(line[1]) != number:
            raise ConnectionResetError(f"expected the count {number}, got {line!r}")

    def lost(self, writes: int) -> int:
        # the counts were checked one by one; the log on the root disk is checked by whoever can read it
        return 0


_WORKLOADS: dict[str, type[KeyValue] | type[Tick]] = {"kv": KeyValue, "tick": Tick}


def _pace(stopped: list[int], seconds: float) -> Iterator[int]:
    number = 0
    while not stopped:
        number += 1
        yield number
        time.sleep(seconds)


def _connect(host: str, port: int) -> socket.socket:
    """A unit that has just been started may not listen yet."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_connection((host, port), timeout=10)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def run(
    kind: str,
    host: str,
    stopped: list[int],
    at_work: Callable[[], object],
    pace: float = 0.005,
    timeout: float = 300.0,
) -> Findings:
    """Write until ``stopped`` is filled (by a signal handler); an error ends the run and is in the findings.

    ``at_work`` is called once, when the first write is acknowledged.
    """
    findings = Findings()
    workload_class = _WORKLOADS[kind]
    with _connect(host, workload_class.port) as connection:
        connection.settimeout(timeout)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        findings.local_port = connection.getsockname()[1]
        workload: Workload = workload_class(connection)
        gaps: list[tuple[float, float]] = []
        last = time.monotonic()
        try:
            for number in _pace(stopped, pace):
                workload.write(number)
                findings.writes = number
                if number == 1:
                    at_work()
                now = time.monotonic()
                if (now - last) * 1000 > _GAP_MS:
                    gaps.append(((now - last) * 1000, time.time() - (now - last)))
                last = now
            findings.lost = workload.lost(findings.writes)
        except (OSError, ValueError) as error:
            findings.errors.append(f"{type(error).__name__}: {error}")
            gaps.append(((time.monotonic() - last) * 1000, time.time() - (time.monotonic() - last)))
    gaps.sort(reverse=True)
    findings.gaps_ms = [round(g) for g, _ in gaps[:20]]
    if gaps:
        findings.longest_gap_ms, findings.longest_gap_at = round(gaps[0][0], 1), gaps[0][1]
    return findings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=sorted(_WORKLOADS))
    parser.add_argument("host")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    findings = run(arguments.kind, arguments.host, stopped, lambda: print("at work", flush=True))
    arguments.out.write_text(json.dumps(asdict(findings), indent=1))


if __name__ == "__main__":
    main()
