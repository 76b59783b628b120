"""Running the guest's own tools: bounded in time and output, never through a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from .errors import GuestError

LIMIT = 64 * 1024
#: Seconds.
_GRACE = 2
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}


@dataclass(frozen=True)
class Output:
    """What a tool left: exit ``code``, the last part of its ``text`` (both streams), and how long it took."""

    code: int
    text: str
    seconds: float

    @property
    def ok(self) -> bool:
        return self.code == 0


def run(
    argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60, check: bool = True, code: str = "guest.tool-failed"
) -> Output:
    """Run a tool and return its output; raises GuestError(code) when ``check`` and it fails, or when it takes too long.

    A tool that is too slow gets SIGTERM and two seconds before it is killed, with all that it has started. What not
    even that ends, since it waits for a disk, is not waited for: it will run no more.
    """
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=ENVIRONMENT,
            start_new_session=True,
        )
    except OSError as error:
        if check:
            raise GuestError(code, f"{argv[0]}: {error.strerror}", f"install {os.path.basename(argv[0])}") from error
        return Output(127, str(error), 0.0)
    try:
        raw, _ = process.communicate(stdin or None, timeout)
    except subprocess.TimeoutExpired:
        raw = _end(process)
        raise GuestError(code, f"{' '.join(argv)[:200]}: no end after {timeout:.0f} s: {text(raw)}") from None
    output = Output(process.returncode, text(raw), time.monotonic() - began)
    if check and not output.ok:
        raise GuestError(code, f"{' '.join(argv)[:200]}: exit {output.code}: {output.text[-1000:]}")
    return output


def _end(process: subprocess.Popen[bytes]) -> bytes:
    """What it has said until its end."""
    process.terminate()
    try:
        return process.communicate(timeout=_GRACE)[0]
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    try:
        return process.communicate(timeout=_GRACE)[0]
    except subprocess.TimeoutExpired:
        return b"not even killed it ends"


def text(raw: bytes) -> str:
    return raw[-LIMIT:].decode("utf-8", "replace").strip()


def find(tool: str) -> str | None:
    """The tool's path, or None when the guest does not have it."""
    for folder in ENVIRONMENT["PATH"].split(":"):
        path = os.path.join(folder, tool)
        if os.access(path, os.X_OK):
            return path
    return None
