"""A server of Debian's packages as a child of the tests, on a port of its own; stopped by its pid."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lab.ports import listening
from tests.waiting import PATIENCE, until


@contextmanager
def running(
    argv: Sequence[str], log: Path, port: int, user: str | None = None, env: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """``env``: beside ours."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        said = partial(log.read_text, errors="replace")
        until(lambda: process.poll() is not None or listening("127.0.0.1", port), said)
        assert process.poll() is None, f"{argv[0]} ended: {said()[-2000:]}"
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
