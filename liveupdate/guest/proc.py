"""Processes as /proc shows them: trees, control groups, memory, open files, listening sockets."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass

SOCKET = re.compile(r"socket:\[(\d+)\]")


@dataclass(frozen=True)
class Process:
    """One process; ``started`` in clock ticks since boot tells a reused pid from the same process."""

    pid: int
    parent: int
    state: str
    threads: int
    started: int
    rss: int


def read(pid: int) -> Process | None:
    """The process, or None when it has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    page = os.sysconf("SC_PAGE_SIZE")
    return Process(pid, int(fields[1]), fields[0], int(fields[17]), int(fields[19]), int(fields[21]) * page)


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def name(pid: int) -> str:
    """What the process is called (at most 15 characters); "" when it has gone."""
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def tree(root: int) -> list[Process]:
    """The process and all its descendants, parents first."""
    everyone = [process for process in map(read, pids()) if process]
    found = [process for process in everyone if process.pid == root]
    for member in found:
        found.extend(process for process in everyone if process.parent == member.pid)
    return found


def control_group(path: str) -> list[int]:
    """The pids of a control group and its children; ``path`` as systemd names it (/system.slice/kv.service)."""
    found: list[int] = []
    for folder, _, _ in os.walk(f"/sys/fs/cgroup{path}"):
        try:
            with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
                found += [int(line) for line in file]
        except OSError:
            continue
    return found


def open_files(pid: int) -> dict[int, str]:
    """What each file descriptor points at."""
    found = {}
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    except OSError:
        pass
    return found


def sockets(pid_list: Iterable[int]) -> set[int]:
    """The inodes of every socket these processes hold."""
    matches = (SOCKET.fullmatch(target) for pid in pid_list for target in open_files(pid).values())
    return {int(match.group(1)) for match in matches if match}


def listening(pid_list: Iterable[int]) -> list[tuple[str, int]]:
    """(address, port) of every TCP socket these processes listen on, sorted."""
    held = sockets(pid_list)
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(table, encoding="ascii") as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[9]) in held:
                found.add(endpoint(fields[1]))
    return sorted(found)


def endpoint(hexadecimal: str) -> tuple[str, int]:
    """An address as /proc/net/tcp prints it (words in host order): ``0100007F:1F90`` is 127.0.0.1 port 8080."""
    host, _, port = hexadecimal.partition(":")
    words = [bytes.fromhex(host[at : at + 8])[::-1] for at in range(0, len(host), 8)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return socket.inet_ntop(family, b"".join(words)), int(port, 16)


def mapped_files(pid: int) -> set[str]:
    """The files a process has mapped into its memory."""
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n").split(None, 5) for line in file]
    except OSError:
        return set()
    return {line[5] for line in lines if len(line) == 6 and line[5].startswith("/") and line[4] != "0"}
