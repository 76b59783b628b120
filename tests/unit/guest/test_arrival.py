"""The target's part where it touches the machine: what is left when a move is over, however it ended."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.guest import adoption, arrival, disks, fence, images, move, nics, places, units
from liveupdate.guest.arrival import Arrival
from liveupdate.guest.departure import Departure
from liveupdate.guest.errors import GuestError, describe
from liveupdate.guest.journal import Journal
from liveupdate.guest.link import Link
from tests.unit.guest.test_move import RAW


@pytest.fixture
def done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was done to the machine, in order; "reload" tells whether a move was still expected."""
    told: list[str] = []

    def note(name: str) -> Callable[..., None]:
        return lambda *_: told.append(name)

    def reload() -> None:
        told.append(f"reload {'expecting' if Path(places.EXPECTING).exists() else 'guarded'}")

    for name in ("ROOT", "EXPECTING", "AWAY", "PLACED"):
        monkeypatch.setattr(places, name, str(tmp_path / name))
    monkeypatch.setattr(units, "reload", reload)
    monkeypatch.setattr(units, "remove_drop_ins", lambda *_: False)
    monkeypatch.setattr(places, "own", note("here"))
    monkeypatch.setattr(places, "disown", note("away"))
    monkeypatch.setattr(places, "prepare_mark", note("mark"))
    monkeypatch.setattr(fence, "lift", note("lift"))
    monkeypatch.setattr(fence, "clear_criu", note("clear"))
    monkeypatch.setattr(images, "give_back_room", note("room"))
    monkeypatch.setattr(arrival, "Arriving", lambda *_: SimpleNamespace(clear=note("files")))
    monkeypatch.setattr(adoption, "start", note("start"))
    return told


def target(tmp_path: Path, *phases: str) -> Arrival:
    journal = Journal(str(tmp_path / "journal"))
    for phase in phases:
        journal.enter(phase)
    link = Link({}, lambda *_: None, lambda: None)
    return Arrival(move.parse(RAW), journal, link, lambda *_, **__: None)


@pytest.mark.parametrize("phases", [("prepared",), ("prepared", "granted", "returned")])
def test_where_the_workload_has_not_come_to_stay_the_guard_is_in_force_again(
    tmp_path: Path, done: list[str], phases: tuple[str, ...]
) -> None:
    """Else whoever starts a unit there mounts its volume a second time."""
    Path(places.EXPECTING).touch()
    target(tmp_path, *phases).finish()
    assert done[-4:] == ["reload guarded", "files", "clear", "room"]
    assert "lift" not in done


def test_where_it_has_come_to_stay_the_fence_goes(tmp_path: Path, done: list[str]) -> None:
    target(tmp_path, "prepared", "granted", "ready", "opened").finish()
    assert "lift" in done


@pytest.mark.parametrize("phase", ["granted", "ready"])
def test_a_move_that_is_undecided_is_not_finished(tmp_path: Path, done: list[str], phase: str) -> None:
    with pytest.raises(GuestError) as caught:
        target(tmp_path, "prepared", phase).finish()
    assert caught.value.code == "guest.undecided"
    assert done == []


def test_a_source_that_was_only_a_target_so_far_knows_no_units_yet(tmp_path: Path) -> None:
    journal = Journal(str(tmp_path / "journal"))
    journal.enter("prepared")
    journal.enter("opened")
    told: Any = Departure(move.parse(RAW), journal, Link({}, lambda *_: None, lambda: None), lambda *_, **__: None)
    assert told._units() == {}


def test_opened_after_the_death_of_its_predecessor_the_units_run(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were restored stopped: a fence lifted before units that do not run would be an outage."""
    run_on: list[list[int]] = []
    monkeypatch.setattr(adoption, "processes", lambda names: [7, 8] if list(names) == ["kv.service"] else [])
    monkeypatch.setattr(adoption, "run_on", run_on.append)
    monkeypatch.setattr(nics, "announce", lambda *_: None)
    journal = Journal(str(tmp_path / "journal"))
    journal.enter("granted", asked=0.0, until=float("inf"))
    journal.enter("ready")
    assert target(tmp_path).open() == {"opened": True}
    assert run_on == [[7, 8]]
    # its absence on the disk is proof that nobody was answered
    assert done == ["here", "lift"]


def test_what_cannot_be_written_down_is_not_opened(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/etc/liveupdate-guard/here")

    monkeypatch.setattr(places, "own", full)
    journal = Journal(str(tmp_path / "journal"))
    journal.enter("granted", asked=0.0, until=float("inf"))
    journal.enter("ready")
    with pytest.raises(OSError, match="No space") as caught:
        target(tmp_path).open()
    assert describe(caught.value)["code"] == "guest.disk-full"
    assert "/etc/liveupdate-guard/here" in describe(caught.value)["detail"]
    assert (journal.phase, done) == ("ready", [])


def test_what_the_guard_has_no_mark_of_is_not_opened(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "owned", lambda: False)
    journal = Journal(str(tmp_path / "journal"))
    journal.enter("granted", asked=0.0, until=float("inf"))
    journal.enter("ready")
    with pytest.raises(GuestError) as caught:
        target(tmp_path).open()
    assert (caught.value.code, journal.phase, done) == ("guest.no-mark", "ready", ["here"])


def test_what_is_handed_back_begins_at_no_boot_here(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "kill", lambda _: done.append("kill"))
    monkeypatch.setattr(disks, "unmount", lambda *_: done.append("unmount"))
    monkeypatch.setattr(nics, "remove", lambda *_: None)
    assert target(tmp_path, "prepared", "granted", "ready").hand_back() == {"phase": "returned"}
    assert done == ["away", "kill", "unmount"]


def test_a_death_in_the_middle_of_opening_is_made_good(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_on: list[list[int]] = []
    announced: list[str] = []
    monkeypatch.setattr(adoption, "processes", lambda _: [7])
    monkeypatch.setattr(adoption, "run_on", run_on.append)
    monkeypatch.setattr(nics, "announce", lambda address, _: announced.append(address))
    target(tmp_path, "prepared", "granted", "ready", "opened").recover()
    assert (run_on, done, announced) == ([[7]], ["lift"], ["10.0.0.10"])


def test_where_it_may_have_to_serve_is_written_down_long_before_the_blackout(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the blackout a full disk would be too late to notice."""
    monkeypatch.setattr(fence, "build", lambda _: None)
    monkeypatch.setattr(arrival, "run", lambda *_, **__: done.append("check"))
    monkeypatch.setattr(adoption, "expect", lambda names: done.append(f"expect {list(names)}"))
    monkeypatch.setattr(units, "show", lambda *_: [])
    target(tmp_path).prepare()
    assert done == ["expect ['kv.service']", "mark", "away", "start", "check"]
