"""The source's part where things go wrong: whatever fails, is late or comes twice, it serves again or has granted."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.guest import (
    adoption,
    checkpoint,
    departure,
    disks,
    fence,
    images,
    move,
    nics,
    places,
    replay,
    resumption,
)
from liveupdate.guest.departure import Departure
from liveupdate.guest.errors import GuestError
from liveupdate.guest.external import Output
from liveupdate.guest.journal import Journal
from tests.unit.guest.test_move import RAW
from tests.waiting import PATIENCE

UNIT = {"pid": 7, "started": 1, "streams": {}, "ports": []}


class Peer:
    """The other machine: its answers, and what it was asked. An answer may be an exception."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[], dict[str, Any]]] = {}
        self.sent = 0

    def call(self, name: str, timeout: float = 30.0, **_: Any) -> dict[str, Any]:
        self.asked.append(name)
        return self.answers.get(name, dict)()


class Capture:
    def __init__(self, *_: object) -> None:
        pass

    def stop(self) -> list[bytes]:
        return [b"packet"]


class Source:
    """A departure on a machine in memory. ``done``: what was done to the machine, in order."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.peer = Peer()
        self.journal = Journal(str(folder / "journal"))
        self.patch = monkeypatch
        self.folder = folder
        for module, name in (
            (adoption, "let_go"), (adoption, "forget"), (fence, "close"), (fence, "lift"), (fence, "clear_criu"),
            (disks, "mount"), (disks, "wait_for"), (nics, "announce"), (places, "set_away"), (places, "own"),
            (places, "disown"),
        ):  # fmt: skip
            monkeypatch.setattr(module, name, self._note(name))
        monkeypatch.setattr(departure, "run", lambda *_, **__: Output(0, "", 0.0))
        monkeypatch.setattr(time, "sleep", lambda _: None)
        monkeypatch.setattr(replay, "Capture", Capture)
        monkeypatch.setattr(resumption, "bring_back", lambda *_: self._note("bring back")() or {"kv.service": "alive"})
        monkeypatch.setattr(resumption, "wait_for_criu", lambda _: None)
        raw = {**RAW, "files": None, "units": [{"name": "kv.service", "handover": "move"}]}
        peer: Any = self.peer
        monkeypatch.setattr(Departure, "_leave", lambda _, deadline: self.done.append("leave"))
        self.departure: Any = Departure(move.parse(raw), self.journal, peer, self._tell)
        self.journal.enter("prepared", units={"kv.service": UNIT}, clock_offset=0.0)

    def _note(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.done.append(name)

    def _tell(self, event: str, **_: Any) -> None:
        pass

    def grant(self) -> dict[str, Any]:
        self.departure.ask()
        return {}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    return Source(tmp_path, monkeypatch)


def fail(error: Exception) -> Callable[..., Any]:
    def raise_it(*_: object, **__: object) -> Any:
        raise error

    return raise_it


def test_it_grants_when_it_is_asked_and_stays_down(source: Source) -> None:
    source.peer.answers["handed_over"] = source.grant
    assert source.departure.cut_over()["granted"]
    assert source.journal.phase == "granted"
    assert source.done == ["let_go", "set_away", "close", "leave", "disown"]


def test_its_mark_is_written_while_it_may_still_refuse_to_leave(source: Source) -> None:
    asked: list[str] = []
    source.patch.setattr(departure, "_running", lambda _: {"bytes": 1, "pids": [7], "ports": []})
    source.patch.setattr(images, "make_room", lambda _: None)
    source.patch.setattr(fence, "build", lambda: None)
    source.patch.setattr(places, "prepare_mark", fail(OSError(28, "No space left", "/etc/liveupdate-guard/new")))
    source.patch.setattr(source.peer, "call", lambda name, *_, **__: asked.append(name))
    with pytest.raises(OSError, match="guard/new"):
        source.departure.prepare()
    assert asked == []


def test_a_link_that_is_dead_is_found_out_before_anything_is_frozen(source: Source) -> None:
    source.peer.answers["clock"] = fail(GuestError("guest.link-broken", "silent"))
    with pytest.raises(GuestError):
        source.departure.cut_over()
    assert source.done == []
    assert source.journal.phase == "prepared"


@pytest.mark.parametrize("error", [GuestError("guest.dump-failed", "no"), OSError(28, "No space left")])
def test_whatever_fails_before_the_grant_it_serves_again(source: Source, error: Exception) -> None:
    source.departure._leave = fail(error)
    with pytest.raises(type(error)):
        source.departure.cut_over()
    assert source.journal.phase == "resumed"
    assert source.done[-7:] == ["own", "set_away", "bring back", "lift", "announce", "clear_criu", "forget"]


def test_an_interface_that_is_gone_does_not_leave_it_frozen(source: Source) -> None:
    source.patch.setattr(replay, "Capture", fail(GuestError("guest.no-interface", "gone")))
    with pytest.raises(GuestError):
        source.departure.cut_over()
    assert source.journal.phase == "resumed"


@pytest.mark.parametrize("error", [GuestError("guest.device-missing", "not yet"), OSError(100, "Network is down")])
def test_it_resumes_for_certain_whatever_is_in_the_way_at_first(source: Source, error: Exception) -> None:
    left = [error, error]

    def announce(*_: object) -> None:
        if left:
            raise left.pop()

    source.patch.setattr(nics, "announce", announce)
    source.departure._leave = fail(GuestError("guest.dump-failed", "no"))
    with pytest.raises(GuestError):
        source.departure.cut_over()
    assert source.journal.phase == "resumed"
    assert left == []


def test_an_answer_that_is_lost_after_the_grant_changes_nothing(source: Source) -> None:
    def lost() -> dict[str, Any]:
        source.departure.ask()
        raise GuestError("guest.link-broken", "lost")

    source.peer.answers["handed_over"] = lost
    assert source.departure.cut_over() == {"granted": True}
    assert source.journal.phase == "granted"
    assert "lift" not in source.done


def test_a_target_that_asks_too_late_gets_nothing(source: Source) -> None:
    source.journal.enter("frozen", deadline=0.0)
    with pytest.raises(GuestError) as caught:
        source.departure.ask()
    assert caught.value.code == "guest.not-granted"


def test_who_resumes_waits_until_every_dump_has_ended(source: Source) -> None:
    """A task that is being dumped looks alive, and is killed when the dump is done."""
    leaving, go_on = threading.Event(), threading.Event()

    def leave(_: float) -> None:
        leaving.set()
        assert go_on.wait(PATIENCE)
        source.done.append("dumped")

    source.departure._leave = leave
    source.peer.answers["handed_over"] = fail(GuestError("guest.not-granted", "the source is resumed"))
    told: list[str] = []

    def cut_over() -> None:
        try:
            source.departure.cut_over()
        except GuestError as error:
            told.append(error.code)

    threads = [threading.Thread(target=cut_over), threading.Thread(target=source.departure.resume)]
    threads[0].start()
    assert leaving.wait(PATIENCE)
    threads[1].start()
    threads[1].join(0.05)
    assert "bring back" not in source.done
    go_on.set()
    for thread in threads:
        thread.join(PATIENCE)
    assert source.done.index("dumped") < source.done.index("bring back")
    assert source.done.count("bring back") == 1
    # it has resumed: it must not claim that it has granted
    assert told == ["guest.not-granted"]


def test_who_gives_the_copying_up_waits_until_criu_has_let_go_and_it_looks_at_no_other_unit(source: Source) -> None:
    looking, go_on = threading.Event(), threading.Event()

    def pre_dump(*_: object) -> Output:
        looking.set()
        assert go_on.wait(PATIENCE)
        source.done.append("looked")
        return Output(0, "", 0.0)

    source.patch.setattr(checkpoint, "pre_dump", pre_dump)
    source.patch.setattr(images, "folder", lambda *parts: str(source.folder / "-".join(map(str, parts))))
    source.patch.setattr(images, "give_back_room", lambda: source.done.append("room"))
    source.patch.setattr(source.departure, "_shipment", SimpleNamespace(images=lambda *_: 1))
    source.journal.enter("prepared", units={"kv.service": UNIT, "web.service": UNIT}, clock_offset=0.0)
    codes: list[str] = []
    copying = threading.Thread(target=lambda: codes.append(code_of(source.departure.precopy)))
    copying.start()
    assert looking.wait(PATIENCE)
    giving_up = threading.Thread(target=source.departure.finish)
    giving_up.start()
    giving_up.join(0.05)
    assert source.done == []
    go_on.set()
    for thread in (copying, giving_up):
        thread.join(PATIENCE)
    assert codes == ["guest.given-up"]
    assert source.done.count("looked") == 1
    assert source.done.index("looked") < source.done.index("room")


def test_a_second_cut_over_does_not_run_beside_the_first(source: Source) -> None:
    codes: list[str] = []

    def again(_: float) -> None:
        second = threading.Thread(target=lambda: codes.append(code_of(source.departure.cut_over)))
        second.start()
        second.join(0.05)
        threads.append(second)

    threads: list[threading.Thread] = []
    source.departure._leave = again
    source.peer.answers["handed_over"] = source.grant
    source.departure.cut_over()
    threads[0].join(PATIENCE)
    assert codes == ["guest.wrong-phase"]
    assert source.done.count("let_go") == 1


def code_of(command: Callable[[], object]) -> str:
    try:
        command()
    except GuestError as error:
        return error.code
    return ""


@pytest.mark.parametrize("complete", [True, False])
def test_after_its_death_it_restores_from_a_dump_that_criu_has_finished(
    source: Source, tmp_path: Path, complete: bool
) -> None:
    final = tmp_path / "final"
    final.mkdir()
    source.patch.setattr(images, "folder", lambda *_: str(final))
    source.patch.setattr(adoption, "stage", lambda name, streams, stopped: source.done.append(f"stage {stopped}"))
    if complete:
        (final / "stats-dump").touch()
    source.journal.enter("frozen", deadline=0.0)
    source.departure.recover()
    assert source.journal.phase == "resumed"
    assert bool(source.journal.last("dumped-unit")) == complete
    assert ("stage False" in source.done) == complete


def test_after_a_death_beyond_the_grant_it_stays_down(source: Source) -> None:
    source.journal.enter("frozen", deadline=0.0)
    source.journal.enter("granted")
    source.departure.recover()
    assert source.journal.phase == "granted"
    assert source.done == []


@pytest.mark.parametrize(("round_seconds", "units", "measured"), [(1.08, 2, 4910), (5.5, 3, 11574)])
def test_the_estimate_is_near_what_was_measured(round_seconds: float, units: int, measured: int) -> None:
    """In the lab, on emulated guests that need 0.35 s to start a program: kv and tick; and PostgreSQL under pgbench."""
    assert departure.blackout_ms(round_seconds, units, 0.35) == pytest.approx(measured, rel=0.1)


def test_where_programs_start_at_once_and_little_changes_the_estimate_is_near_nothing() -> None:
    assert departure.blackout_ms(0.05, 1, 0.01) < 200
