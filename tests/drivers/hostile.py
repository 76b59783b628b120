"""What a guest may say in the in-guest program's stead. Run by sshd for whatever the worker asks; never as it asks."""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

ESCAPES = "\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\\u0000\\u202e\\ud800"


def endless(stream: int, words: bytes) -> None:
    piece = words * 4096
    while True:
        os.write(stream, piece)


def say(words: str) -> None:
    os.write(1, words.encode() + b"\n")


def dribble() -> None:
    while True:
        say("")
        time.sleep(0.05)


def hold_open() -> None:
    """The command has ended; what it has started keeps its streams."""
    if os.fork():
        sys.exit(0)
    time.sleep(60)


MOODS: dict[str, Callable[[], object]] = {
    "endless output": lambda: endless(1, b"y\n"),
    "endless errors": lambda: endless(2, b"no\n"),
    "an endless line": lambda: endless(1, b"{"),
    "nothing": lambda: time.sleep(60),
    "a drop at a time": dribble,
    "an open end": hold_open,
    "no JSON": lambda: say("Segmentation fault \x1b[31m"),
    "no text": lambda: os.write(1, bytes(range(256)) * 4),
    "deep JSON": lambda: say("[" * 1_000_000),
    "deep objects": lambda: say('{"result":' * 200_000),
    "huge JSON": lambda: say('{"result": {"kernel": "' + "x" * (6 << 20) + '"}}'),
    "a huge list": lambda: say('{"result": {"kernel": "6", "units": [' + ",".join(['{"name":"a"}'] * 100_000) + "]}}"),
    "a huge number": lambda: say('{"result": {"kernel": "6", "cpus": ' + "9" * 4000 + "}}"),
    "no number": lambda: say('{"result": {"kernel": "6", "cpus": NaN, "memory": {"total": Infinity}}}'),
    "wrong types": lambda: say('{"result": {"kernel": ["6"], "memory": 3, "mounts": {"where": {}}, "units": "all"}}'),
    "nothing in it": lambda: say('{"result": null}'),
    "a list": lambda: say("[1, 2]"),
    "a forged code": lambda: say('{"error": {"code": "live-update.cut-over.opened", "detail": "' + ESCAPES + '"}}'),
    "an error of no form": lambda: say('{"error": ["' + ESCAPES + '"]}'),
    "escapes": lambda: say('{"result": {"kernel": "6' + ESCAPES + '", "units": [{"name": "a\\n; reboot"}]}}'),
}

if __name__ == "__main__":
    MOODS[(Path(__file__).parent / "mood").read_text()]()
