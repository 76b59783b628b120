"""Frames and words of the other machine that are right but for one place: one error, or no more than they may do."""

import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.drivers.guest import answers
from liveupdate.guest import move, places
from liveupdate.guest.arrival import Arrival
from liveupdate.guest.departure import Departure
from liveupdate.guest.errors import GuestError
from liveupdate.guest.files import Report
from liveupdate.guest.journal import Journal
from liveupdate.guest.link import Link
from tests.lies import JSON, fit_to_keep, spoiled
from tests.unit.guest.test_move import RAW

IMAGES: dict[str, Any] = {
    "images": "kv.service",
    "folder": "final",
    "entries": [{"name": "core-1.img", "size": 3}, {"name": "parent", "link": "../0"}],
    "streams": {"1": 4711, "2": 4712},
}
FILES: dict[str, Any] = {"files": 1, "deleted": ["srv/a", "srv/\udcff"]}


class NoFiles:
    """Nothing is placed or deleted on the machine that runs the tests."""

    def __init__(self) -> None:
        self.deleted: list[bytes] = []

    def apply(self, stream: IO[bytes], deleted: list[bytes]) -> Report:
        self.deleted += deleted
        return Report(0, len(deleted), (), 0)


@contextmanager
def journal() -> Iterator[tuple[Path, Journal, Link]]:
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "IMAGES", f"{folder}/images")
        yield Path(folder), Journal(f"{folder}/journal"), Link({}, lambda *_: None, lambda: None)


def refused(act: Any) -> bool:
    """With the one code that there is for what the program would not say."""
    try:
        act()
    except GuestError as error:
        failed = error
    else:
        return False
    assert failed.code in ("guest.bad-message", "guest.bad-files", "guest.link-broken")
    return True


@settings(deadline=None, max_examples=60)
@given(spoiled(IMAGES) | spoiled(FILES))
@example(IMAGES)
@example(FILES)
def test_a_frame_reaches_no_more_than_images_of_units_that_move(header: dict[str, Any]) -> None:
    with journal() as (folder, kept, link):
        arrival = Arrival(move.parse(RAW), kept, link, lambda *_, **__: None)
        files = NoFiles()
        arrival._files = files  # type: ignore[assignment]
        content = b"abc" if "images" in header else bytes(8)
        taken = not refused(lambda: arrival.receive(header, io.BytesIO(content)))
        assert taken or header not in (IMAGES, FILES)
        made = [path for path in folder.rglob("*") if not path.is_dir() and path != folder / "journal"]
        for path in made:
            assert re.fullmatch(
                r"images/(kv\.service|cpu)/(\d{1,3}/|final/|info/)?[\w.-]+", str(path.relative_to(folder))
            )
            assert not path.is_symlink() or (path.name == "parent" and re.fullmatch(r"\.\./\d{1,3}", os.readlink(path)))
        script = folder / "images/kv.service/restore.sh"
        told = re.findall(r"socket:\[(.*?)\]", script.read_text()) if script.exists() else []
        assert all(re.fullmatch(r"\d{1,20}", inode) for inode in told)
        assert not any(path.startswith(b"/") or b".." in path.split(b"/") for path in files.deleted)


@settings(deadline=None, max_examples=60)
@given(st.lists(spoiled({"name": "restored", "ms": 3.5}), max_size=3) | JSON)
@example([{"name": "restored", "ms": 1e300}])
@example([{"name": "restored", "ms": 10**400}])
@example([{"name": "\ud800\x1b[2J" * 999, "ms": 1}] * 5000)
def test_what_a_target_says_of_its_opening_never_spoils_what_the_source_says(timeline: Any) -> None:
    with journal() as (_, kept, link):
        for phase in ("frozen", "granted"):
            kept.enter(phase)
        departure = Departure(move.parse(RAW), kept, link, lambda *_, **__: None)
        opened = not refused(lambda: departure.opened(timeline))
        assert kept.phase == ("opened" if opened else "granted")
        status = {"phase": kept.phase, "timeline": departure.timeline(), "blackout_ms": departure.blackout_ms()}
        fit_to_keep(answers.result("status", {"result": status}))
