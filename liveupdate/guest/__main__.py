"""``python3 agent.pyz COMMAND``: arguments as JSON on standard input, {"result": …} or {"error": …} on output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from .errors import GuestError, describe
from .inspect import inspect
from .trial import trial

#: Commands that need no daemon, and leave nothing.
COMMANDS: dict[str, Callable[..., dict[str, Any]]] = {"inspect": inspect, "trial": trial}


def main() -> None:
    try:
        name = sys.argv[1] if len(sys.argv) > 1 else ""
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
