"""Release notes can be read by reno, which sorts them by release (docs/releasenotes.md)."""

import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
NOTES = sorted((ROOT / "releasenotes" / "notes").iterdir())


def test_reno_understands_them() -> None:
    done = subprocess.run([sys.executable, "-m", "reno", "lint", str(ROOT)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_says_something_in_sections_of_ours() -> None:
    config = yaml.safe_load((ROOT / "releasenotes" / "config.yaml").read_text())
    known = {name for name, _ in config["sections"]}
    assert NOTES
    for note in NOTES:
        told = yaml.safe_load(note.read_text())
        assert isinstance(told.pop("prelude", ""), str), note.name
        assert set(told) <= known, note.name
        assert all(isinstance(text, str) for texts in told.values() for text in texts), note.name
