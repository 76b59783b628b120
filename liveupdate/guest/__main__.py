"""``python3 agent.pyz COMMAND``: arguments as JSON on standard input, {"result": …} or {"error": …} on output.

``serve`` is the daemon; ``attach`` and ``peer`` join standard input and output with its sockets.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from . import daemon, guard, nics, places
from .adopted_nic import adopt_nic
from .errors import GuestError, describe
from .inspect import inspect
from .provenance import provenance
from .seal import seal, seal_prepare
from .stale import stale
from .trial import trial

#: Commands that need no daemon, and leave nothing.
COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {
    "inspect": inspect,
    "trial": trial,
    "guard_install": guard.guard_install,
    "guard_remove": guard.guard_remove,
    "management_up": nics.management_up,
    "management_down": nics.management_down,
    "adopt_nic": adopt_nic,
    "stale": stale,
    "provenance": provenance,
    "seal_prepare": seal_prepare,
}

#: Commands that run for as long as somebody needs them.
STREAMS: dict[str, Callable[[], None]] = {
    "serve": daemon.serve,
    "seal": seal,
    "attach": lambda: daemon.relay(places.SOCKET),
    "peer": lambda: daemon.relay(places.PEER_SOCKET),
}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name in STREAMS:
        return STREAMS[name]()
    try:
        if name not in COMMANDS:
            raise GuestError("guest.unknown-command", f"{name[:50]!r}: one of {', '.join(sorted(COMMANDS))}")
        arguments = json.loads(sys.stdin.read() or "{}")
        answer = {"result": COMMANDS[name](**arguments)}
    except Exception as error:
        answer = {"error": describe(error)}
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")
    sys.exit(1 if "error" in answer else 0)


if __name__ == "__main__":
    main()
