"""Processes that still run code which is not on the disk any more: it was replaced under them."""

from __future__ import annotations

import re
from typing import Any

from . import proc

_DELETED = " (deleted)"
#: Where code lives; deleted files elsewhere are a program's own business.
_CODE = re.compile(r"/(usr|lib|lib64|bin|sbin|opt)/")
_UNIT = re.compile(r"/([^/]+\.(?:service|scope))(?:/|$)")


def stale() -> dict[str, Any]:
    """{"processes": [{"unit", "pid", "name", "files": [at most ten]}]}"""
    found = []
    for pid in proc.pids():
        files = sorted(path for path in proc.mapped_files(pid) if path.endswith(_DELETED) and _CODE.match(path))
        if files:
            known = {"unit": _unit(pid), "pid": pid, "name": proc.name(pid)}
            found.append({**known, "files": [path.removesuffix(_DELETED) for path in files[:10]]})
    return {"processes": found}


def _unit(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:
            matches = _UNIT.findall(file.read())
    except OSError:
        return ""
    return str(matches[-1]) if matches else ""
