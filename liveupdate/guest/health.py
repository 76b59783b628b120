"""Whether units serve, asked on this machine itself: the fence lets the loopback pass."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import units
from .errors import GuestError
from .external import run
from .move import UnitPlan

#: Seconds for one check.
_TIMEOUT = 10
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 # nosec B104 # looked up, not listened on
_LOOPBACK = {_ANY_ADDRESS: "127.0.0.1", "::": "::1"}


def probe(plans: Sequence[UnitPlan], ports: Mapping[str, Sequence[Sequence[Any]]]) -> dict[str, Any]:
    """{units: {name: {ok, checks: [{kind, what, ok, detail}]}}, ok}.

    A unit with no checks of its own must be active and accept on every TCP port that it listened on before.
    """
    shown = {unit.name: unit for unit in units.show(*(plan.name for plan in plans))} if plans else {}
    with ThreadPoolExecutor(8) as pool:
        jobs = {plan.name: [pool.submit(_check, check) for check in _checks(plan, ports)] for plan in plans}
    found: dict[str, Any] = {}
    for plan in plans:
        unit = shown.get(plan.name)
        state = unit.properties.get("ActiveState", "unknown") if unit else "unknown"
        checks = [_outcome("active", plan.name, state == "active", state), *(job.result() for job in jobs[plan.name])]
        found[plan.name] = {"ok": all(check["ok"] for check in checks), "checks": checks}
    return {"units": found, "ok": all(entry["ok"] for entry in found.values())}


def needs_running(plan: UnitPlan) -> bool:
    """Whether its checks ask the processes themselves; the kernel accepts connections for them."""
    return any(check.get("kind") != "tcp" for check in plan.health)


def _checks(plan: UnitPlan, ports: Mapping[str, Sequence[Sequence[Any]]]) -> list[dict[str, Any]]:
    if plan.health:
        return list(plan.health)
    return [{"kind": "tcp", "address": address, "port": port} for address, port in ports.get(plan.name, ())]


def _check(check: dict[str, Any]) -> dict[str, Any]:
    kind = str(check.get("kind"))
    try:
        if kind == "tcp":
            return _tcp(str(check.get("address", "127.0.0.1")), int(check["port"]))
        if kind == "http":
            return _http(int(check["port"]), str(check.get("path", "/")), int(check.get("status", 200)))
        if kind == "command":
            return _command([str(word) for word in check["argv"]])
    except (KeyError, ValueError, TypeError) as error:
        return _outcome(kind, str(check)[:100], False, f"not understood: {type(error).__name__}")
    return _outcome(kind, "", False, "no such kind of check")


def _tcp(address: str, port: int) -> dict[str, Any]:
    """A unit that has just been started may need a moment before it listens."""
    end = time.monotonic() + _TIMEOUT
    while True:
        try:
            socket.create_connection((_LOOPBACK.get(address, address), port), _TIMEOUT).close()
        except ConnectionRefusedError as error:
            if time.monotonic() > end:
                return _outcome("tcp", str(port), False, str(error))
            time.sleep(0.05)
        except OSError as error:
            return _outcome("tcp", str(port), False, str(error))
        else:
            return _outcome("tcp", str(port), True, "accepts")


def _http(port: int, path: str, status: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT)
    try:
        connection.request("GET", path)
        told = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError) as error:
        return _outcome("http", f"{port}{path}", False, f"{type(error).__name__}: {error}")
    finally:
        connection.close()
    return _outcome("http", f"{port}{path}", told == status, f"status {told}")


def _command(argv: list[str]) -> dict[str, Any]:
    try:
        done = run(argv, timeout=_TIMEOUT, check=False)
    except GuestError as error:
        return _outcome("command", argv[0], False, error.detail)
    return _outcome("command", argv[0], done.ok, f"exit {done.code} {done.text[-200:]}".strip())


def _outcome(kind: str, what: str, ok: bool, detail: str) -> dict[str, Any]:
    return {"kind": kind, "what": what, "ok": ok, "detail": detail[:300]}
