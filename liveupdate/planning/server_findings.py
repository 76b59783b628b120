"""Checks of a server that more than one method makes: its facts in, findings out. Pure."""

from collections.abc import Iterator

from liveupdate.model import Finding, Json
from liveupdate.planning.checks import check


def free(server: Json) -> Iterator[Finding]:
    """That nobody else is at work on it, and that another can be made like it."""
    yield check(
        "server.idle",
        not server["task_state"],
        f"Nova is at work on it: {server['task_state']}",
        "wait until that has ended",
    )
    locked = f"the server is locked: {server['locked_reason'] or 'no reason given'}"
    yield check("server.unlocked", not server["locked"], locked, "unlock it, or wait for the job that locked it")
    yield check(
        "server.flavor",
        bool(server["flavor_id"]),
        f"flavor {server['flavor_name']} no longer exists as it was when the server was made",
        "resize the server to a flavor that exists",
    )


def active(server: Json) -> Finding:
    return check("server.active", server["status"] == "ACTIVE", f"the server is {server['status']}", "start it first")


def host_key(known: str) -> Finding:
    return check(
        "guest.host-key-unknown",
        bool(known),
        "neither the server's metadata nor its console tells its ssh host key",
        "put it into the server's metadata: liveupdate:host_key = ssh-ed25519 AAAA…",
    )
