from pathlib import Path

from lab import down


def test_wipe_forgets_the_cloud_and_keeps_what_was_downloaded(state: Path) -> None:
    for folder in ("venv", "cache", "image", "apt", "mariadb", "ceph", "done", "run"):
        (state / folder).mkdir()
        (state / folder / "file").touch()
    (state / "secrets.json").touch()
    down.wipe()
    assert sorted(entry.name for entry in state.iterdir()) == ["apt", "cache", "image", "venv"]


def test_wiping_a_lab_that_never_was_is_no_error(state: Path) -> None:
    state.rmdir()
    down.wipe()
    assert not state.exists()
