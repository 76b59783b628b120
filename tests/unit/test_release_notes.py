"""Release notes are such that reno can sort them by release (docs/releasenotes.md)."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_reno_understands_them() -> None:
    reno = [sys.executable, "-c", "import sys; from reno.main import main; sys.exit(main())"]
    done = subprocess.run([*reno, "lint", str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "releasenotes/config.yaml" in done.stdout + done.stderr
