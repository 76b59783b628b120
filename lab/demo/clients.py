"""Clients as processes of their own."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lab import settings
from lab.demo.client import Findings
from lab.settings import PATIENCE


@dataclass(frozen=True)
class Running:
    """A client process and where it leaves its findings."""

    kind: str
    process: subprocess.Popen[bytes]
    out: Path

    def wait_until_at_work(self) -> None:
        """Return once a write of it is acknowledged. Raises RuntimeError if it ends without one, as it does in time."""
        if not (self.process.stdout and self.process.stdout.readline()):
            raise RuntimeError(f"the client of {self.kind} ended without a write: {self.stop().errors}")

    def stop(self) -> Findings:
        """One that cannot even end, as when its server is silent, has that for its error."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return Findings(errors=["no answer any more; what it had written was not checked"])
        return Findings(**json.loads(self.out.read_text()))


def run_client(kind: str, address: str) -> Running:
    """Start a client of the unit ``kind`` at ``address``."""
    out = settings.RUN / f"client-{kind}.json"
    out.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "lab.demo.client", kind, address, str(out)]
    return Running(kind, subprocess.Popen(argv, cwd=settings.CHECKOUT, stdout=subprocess.PIPE), out)
