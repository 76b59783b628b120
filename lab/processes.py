"""The lab's processes: started once, each in a session of its own, found again by pid and start time, stopped by both.

run/<name>.pid holds "<pid> <start time>", the start time in clock ticks since boot as /proc tells it; a pid that was
given to somebody else since is never taken for ours.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from lab import settings
from lab.settings import PATIENCE

#: Lines of a dead process' log shown to whoever must find out why.
TAIL = 15
#: Those this very program started: somebody must take note of their end, or they stay zombies.
_children: list[subprocess.Popen[bytes]] = []


class Failed(Exception):
    """A process died or did not become ready; the message names it and ends with its log's tail."""


@dataclass(frozen=True)
class Process:
    """A program to keep running. name is also that of its log and pid file."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    #: True once it serves; None: running is enough.
    ready: Callable[[], bool] | None = None
    #: Where it listens, for people to see.
    port: int | None = None
    #: Of the scheduler: what is to leave the processors to others has more.
    niceness: int = 0


def start(process: Process) -> bool:
    """Start it unless it is alive; whether it was started. Raises Failed when the program cannot be executed."""
    if alive(process.name):
        return False
    stop([process.name], grace=0)  # workers that outlived a killed parent hold its port
    settings.LOGS.mkdir(parents=True, exist_ok=True)
    settings.RUN.mkdir(parents=True, exist_ok=True)
    with _private_log(process.name) as log:
        try:
            child = subprocess.Popen(
                process.argv,
                env=environment(process.env),
                cwd=process.cwd or settings.STATE,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Failed(f"{process.name} cannot be started: {error}") from error
    os.setpriority(os.PRIO_PROCESS, child.pid, process.niceness)
    _children.append(child)
    _pid_file(process.name).write_text(f"{child.pid} {_start_time(child.pid)}")
    return True


def wait_ready(*wanted: Process, timeout: float = PATIENCE) -> None:
    """Return once all are ready. Raises Failed at the first that dies, or names one not ready after timeout seconds."""
    deadline = time.monotonic() + timeout
    waiting = list(wanted)
    while waiting:
        for process in wanted:
            if not alive(process.name):
                raise Failed(_obituary(process.name, "died"))
        waiting = [process for process in waiting if not (process.ready is None or process.ready())]
        if waiting and time.monotonic() > deadline:
            raise Failed(_obituary(waiting[0].name, f"is not ready after {timeout:.0f} s"))
        if waiting:
            time.sleep(0.1)


def stop(names: Iterable[str], grace: float = 10) -> None:
    """End them and what lives in their sessions: SIGTERM, then SIGKILL for what is left after grace seconds."""
    leaders = {name: found for name in names if (found := recorded(name))}
    for leader in leaders.values():
        _signal(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(alive(name) for name in leaders) and time.monotonic() < deadline:
        time.sleep(0.05)
    for name, leader in leaders.items():
        # also after a leader's own clean end: workers it left behind share its session
        for member in _session(leader):
            _signal(member, signal.SIGKILL)
        while _session(leader):
            time.sleep(0.02)
        _pid_file(name).unlink(missing_ok=True)
    _children[:] = [child for child in _children if child.poll() is None]


def alive(name: str) -> bool:
    """Whether the process recorded under this name still runs; a zombie does not."""
    leader = recorded(name)
    return leader is not None and _is_same(*leader)


def pid(name: str) -> int:
    """Pid of a live process. Raises Failed when there is none."""
    leader = recorded(name)
    if leader is None or not _is_same(*leader):
        raise Failed(f"{name} is not running")
    return leader[0]


def recorded(name: str) -> tuple[int, int] | None:
    """Pid and start time of what was last started under this name; None: nothing since the last stop."""
    try:
        number, started = _pid_file(name).read_text().split()
        return int(number), int(started)
    except (FileNotFoundError, ValueError):
        return None


def names() -> list[str]:
    """Every process started and not stopped, dead or alive, oldest first."""
    files = settings.RUN.glob("*.pid") if settings.RUN.exists() else ()
    return [file.stem for file in sorted(files, key=lambda file: file.stat().st_mtime_ns)]


def dead() -> list[str]:
    """Every process started, not stopped, and no longer running."""
    return [name for name in names() if not alive(name)]


def memory(name: str) -> int:
    """Resident bytes of the process and everything in its session, shared pages counted once per process."""
    leader = recorded(name)
    return sum(_resident(member) for member, _ in _session(leader)) if leader else 0


def log_file(name: str) -> Path:
    return settings.LOGS / f"{name}.log"


def tail(name: str) -> str:
    try:
        lines = log_file(name).read_text(errors="replace").splitlines()[-TAIL:]
    except FileNotFoundError:
        lines = ["(no log)"]
    return "\n".join(f"    {line}" for line in lines)


def _obituary(name: str, what: str) -> str:
    return f"{name} {what}; the end of {log_file(name)}:\n{tail(name)}"


def run(name: str, argv: list[str], env: Mapping[str, str] = MappingProxyType({})) -> None:
    """Run a command to its end, as a service would run. Raises Failed with the tail of its log, log/<name>.log."""
    settings.LOGS.mkdir(parents=True, exist_ok=True)
    with _private_log(name) as log:
        done = subprocess.run(argv, env=environment(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    if done.returncode:
        raise Failed(_obituary(name, f"failed with status {done.returncode}"))


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """A small, known environment: nothing of the caller's proxies, tokens or Python settings reaches a service."""
    # the lab's own sudo and mount come first
    folders = (settings.LAB / "shims", settings.VENV / "bin", "/usr/sbin:/usr/bin:/sbin:/bin")
    return {
        "PATH": ":".join(map(str, folders)),
        "HOME": str(settings.STATE),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore",
        "LIVEUPDATE_LAB": str(settings.STATE),
        **extra,
    }


def _private_log(name: str) -> BinaryIO:
    return open(log_file(name), "ab", opener=lambda path, flags: os.open(path, flags, 0o600))


def _pid_file(name: str) -> Path:
    return settings.RUN / f"{name}.pid"


def _stat(number: int) -> list[str] | None:
    """Fields of /proc/<pid>/stat from the state on (the command before it may hold anything); None: no such process."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _start_time(number: int) -> int:
    stat = _stat(number)
    return int(stat[19]) if stat else 0


def _is_same(number: int, started: int) -> bool:
    stat = _stat(number)
    return stat is not None and stat[0] not in "ZX" and int(stat[19]) == started


def _session(leader: tuple[int, int]) -> list[tuple[int, int]]:
    """Live members of the session the leader opened, itself among them. The kernel reuses no pid that is still the id
    of a session, so a stranger under the leader's pid proves that the session is gone."""
    holder = _stat(leader[0])
    if holder and int(holder[19]) != leader[1]:
        return []
    members = []
    for entry in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat and stat[0] not in "ZX" and int(stat[3]) == leader[0] and int(stat[19]) >= leader[1]:
            members.append((int(entry.name), int(stat[19])))
    return members


def _signal(target: tuple[int, int], number: signal.Signals) -> None:
    try:
        # the descriptor pins the process: a pid reused between the check and the signal cannot be hit
        descriptor = os.pidfd_open(target[0])
    except ProcessLookupError:
        return
    try:
        if _is_same(*target):
            signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(descriptor)


def _resident(number: int) -> int:
    try:
        return int(Path(f"/proc/{number}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
