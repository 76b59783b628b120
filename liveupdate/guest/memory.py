"""The guest's memory, in bytes."""

from __future__ import annotations


def facts() -> dict[str, int]:
    """{total, available}"""
    found = {}
    with open("/proc/meminfo", encoding="ascii") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name in ("MemTotal", "MemAvailable"):
                found[name] = int(value.split()[0]) * 1024
    return {"total": found["MemTotal"], "available": found["MemAvailable"]}


def available() -> int:
    return facts()["available"]
