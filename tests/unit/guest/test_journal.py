"""The journal: what it says survives the program, whatever it was killed in."""

import stat
from pathlib import Path

import pytest

from liveupdate.guest.journal import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def test_a_new_machine_is_idle(path: Path) -> None:
    journal = Journal(str(path))
    assert (journal.phase, journal.last("frozen"), journal.since("frozen")) == ("idle", None, [])


def test_a_successor_knows_what_its_predecessor_did(path: Path) -> None:
    journal = Journal(str(path))
    journal.enter("prepared", units={"kv.service": {"pid": 7}})
    journal.enter("frozen", deadline=12.5)
    journal.mark("dumped", unit="kv.service")
    again = Journal(str(path))
    assert again.entries == journal.entries
    assert again.phase == "frozen"
    assert (again.last("frozen") or {})["deadline"] == 12.5
    assert [entry["name"] for entry in again.since("frozen")] == ["frozen", "dumped"]


def test_a_mark_is_no_phase(path: Path) -> None:
    journal = Journal(str(path))
    journal.enter("granted")
    journal.mark("mounted")
    assert journal.phase == "granted"


def test_the_newest_of_a_name_counts(path: Path) -> None:
    journal = Journal(str(path))
    for number in (1, 2):
        journal.enter("frozen", number=number)
        journal.mark("dumped", number=number)
    assert [entry["number"] for entry in journal.since("frozen")] == [2, 2]


def test_both_clocks_are_kept(path: Path) -> None:
    journal = Journal(str(path))
    journal.enter("frozen")
    journal.enter("granted")
    first, second = journal.entries
    assert first["monotonic"] <= second["monotonic"]
    assert first["realtime"] > 1.6e9


def test_nobody_else_may_read_it(path: Path) -> None:
    Journal(str(path)).enter("prepared")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_line_cut_short_by_a_kill_has_not_happened_and_spoils_nothing(path: Path, cut: int) -> None:
    journal = Journal(str(path))
    journal.enter("prepared")
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:cut])
    successor = Journal(str(path))
    assert len(successor.entries) == 1
    successor.enter("idle")
    assert [entry["name"] for entry in Journal(str(path)).entries] == ["prepared", "idle"]
