"""The lab's command line: python -m lab up | down [--wipe] | status | reset"""

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from lab import down, processes, settings, status, up


def main() -> int:
    """Exit status: 0 done, 1 something of the lab is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m lab", description="A real OpenStack on one machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="bring everything up; what runs already stays as it is")
    parser_down = commands.add_parser("down", help="stop everything; the cloud's content stays for the next up")
    parser_down.add_argument("--wipe", action="store_true", help="forget the cloud too; what was downloaded stays")
    commands.add_parser("status", help="what runs, and why the rest does not")
    commands.add_parser("reset", help="a fresh cloud: down --wipe, then up")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("the lab makes bridges and namespaces: run it as root")
    os.umask(0o022)
    try:
        return _run(options.command, wipe=options.command == "reset" or getattr(options, "wipe", False))
    except processes.Failed as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


def _run(command: str, wipe: bool) -> int:
    if command == "status":
        return 0 if status.status(up.ports()) else 1
    with _alone():
        if command in ("down", "reset"):
            down.down()
            if wipe:
                down.wipe()
        if command in ("up", "reset"):
            up.up()
    return 0


@contextmanager
def _alone() -> Iterator[None]:
    """Two at once would start everything twice, or stop what the other starts: the second waits for the first."""
    settings.STATE.mkdir(parents=True, exist_ok=True)
    with open(settings.STATE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
