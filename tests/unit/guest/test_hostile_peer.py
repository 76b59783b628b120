"""The machine at the other end of the link is not our friend: it reaches nothing but its own images and files."""

import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from liveupdate.guest import adoption, archive, move, places, placing, storage, wire
from liveupdate.guest.arrival import Arrival
from liveupdate.guest.chunks import ChunkReader
from liveupdate.guest.departure import Departure
from liveupdate.guest.errors import GuestError
from liveupdate.guest.journal import Journal
from liveupdate.guest.link import Link
from tests.lies import JSON, TEXTS
from tests.unit.guest.roots import Roots
from tests.unit.guest.test_link import Side, calling, echo, linked
from tests.unit.guest.test_move import RAW
from tests.waiting import PATIENCE


@pytest.fixture
def arrival(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Arrival:
    monkeypatch.setattr(places, "IMAGES", str(tmp_path / "images"))
    monkeypatch.setattr(adoption, "stage", lambda *_, **__: None)
    journal = Journal(str(tmp_path / "journal"))
    return Arrival(move.parse(RAW), journal, Link({}, lambda *_: None, lambda: None), lambda *_, **__: None)


def image(unit: object = "kv.service", folder: object = "final", *entries: dict[str, Any]) -> dict[str, Any]:
    return {"images": unit, "folder": folder, "entries": list(entries), "streams": {}}


FILE = {"name": "core-1.img", "size": 3}


def test_images_of_a_unit_that_moves_are_taken(arrival: Arrival, tmp_path: Path) -> None:
    arrival.receive(image("kv.service", "0", FILE), io.BytesIO(b"abc"))
    arrival.receive(image("kv.service", "final", FILE, {"name": "parent", "link": "../0"}), io.BytesIO(b"abc"))
    assert (tmp_path / "images/kv.service/final/parent/core-1.img").read_bytes() == b"abc"


@pytest.mark.parametrize(
    "header",
    [
        image("kv.service", "/etc", FILE),
        image("kv.service", "../final", FILE),
        image("kv.service", "final/..", FILE),
        image("kv.service", "final\n", FILE),
        image("kv.service", "restore.sh", FILE),
        image("../kv.service", "final", FILE),
        image("other.service", "final", FILE),
        image("", "final", FILE),
        image(["kv.service"], "final", FILE),
        *(image("kv.service", "final", {"name": name, "size": 3}) for name in ("../x", "/x", "..", "", ".x", "a\n")),
        *(image("kv.service", "final", {"name": "parent", "link": to}) for to in ("/etc", "../..", "..", "../0/../..")),
        image("kv.service", "final", {"name": "pages-1.img", "link": "../0"}),
        image("kv.service", "final", {"name": "parent", "link": "../0"}, {"name": "parent/x", "size": 3}),
        image("kv.service", "final", FILE, FILE),
        image("kv.service", "final", {"name": "a"}),
        image("kv.service", "final", {"name": "a", "size": "many"}),
        image("kv.service", "final", {"name": "a", "size": -5}),
    ],
    ids=lambda header: json.dumps(header)[:80],
)
def test_no_image_lands_anywhere_else(arrival: Arrival, tmp_path: Path, header: dict[str, Any]) -> None:
    for name in ("etc", "images"):
        (tmp_path / name).mkdir()
    with pytest.raises(GuestError) as caught:
        arrival.receive(header, io.BytesIO(b"abcabc"))
    assert caught.value.code == "guest.bad-message"
    assert [path for path in tmp_path.rglob("*") if path.is_file() and "images" not in path.parts] == []
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink() and os.readlink(path) != "../0"]


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 200_000 + b"\n")
@example(b"9" * 10_000 + b"\n")
def test_a_message_is_an_object_or_an_error_of_ours(line: bytes) -> None:
    try:
        assert wire.read(io.BytesIO(line)) is None or isinstance(wire.decode(line), dict)
    except GuestError as error:
        told = error
        assert told.code == "guest.bad-message"


@settings(deadline=None)
@given(st.binary(max_size=3000))
@example(b"\0" * 512)
@example(bytes(1024))
def test_a_stream_of_files_is_one_or_an_error_of_ours(stream: bytes) -> None:
    chunks = ChunkReader(io.BytesIO(stream))
    for read in (lambda: list(archive.read(io.BytesIO(stream))), chunks.drain):
        try:
            read()
        except GuestError as error:
            assert error.code.startswith("guest.")  # noqa: PT017 nothing is raised by some


@settings(deadline=None)
@given(TEXTS)
def test_a_name_leads_down_or_is_refused(name: str) -> None:
    try:
        path = placing.plain(name)
    except GuestError:
        return
    assert not path.startswith(b"/")
    assert not {b"..", b".", b""} & set(path.split(b"/"))


@settings(deadline=None)
@given(TEXTS)
def test_what_multipathd_says_is_of_its_form_or_an_error(text: str) -> None:
    with suppress(GuestError):
        storage.parse_maps(text)


@settings(deadline=None)
@given(JSON)
def test_a_move_is_of_its_form_or_an_error(raw: Any) -> None:
    told = {**RAW, **raw} if isinstance(raw, dict) else {**RAW, "units": raw, "mounts": raw}
    with suppress(GuestError):
        move.parse(cast(dict[str, Any], told))


def crafted(**headers: str) -> io.BytesIO:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as made:
        member = tarfile.TarInfo("srv/a/file")
        member.size, member.pax_headers = 4, headers
        made.addfile(member, io.BytesIO(b"data"))
    return io.BytesIO(stream.getvalue())


@pytest.mark.parametrize("told", ["1e99999999", "NaN", "Infinity", "x", "9" * 100, "--1", ""])
@pytest.mark.parametrize("header", ["mtime", "atime"])
def test_a_time_that_is_none_is_refused_at_once(roots: Roots, header: str, told: str) -> None:
    with pytest.raises(GuestError) as caught:
        roots.arriving.apply(crafted(**{header: told}), ())
    assert caught.value.code == "guest.bad-files"


@pytest.mark.parametrize("told", ["0,-5", "-5,3", "0,4,2,4", "1,99999"])
def test_pieces_of_a_sparse_file_that_cannot_be_are_refused_or_harmless(roots: Roots, told: str) -> None:
    stream = crafted(**{"GNU.sparse.map": told, "GNU.sparse.size": "8", "GNU.sparse.name": "srv/a/file"})
    try:
        roots.arriving.apply(stream, ())
    except GuestError as error:
        assert error.code.startswith("guest.files-")  # noqa: PT017 some are harmless
    made = roots.target / "srv/a/file"
    assert not made.exists() or made.stat().st_size <= 8


@pytest.fixture
def pair() -> Iterator[tuple[Side, Side]]:
    with linked({}, {"echo": echo}) as sides:
        yield sides


def raw(side: Side) -> IO[bytes]:
    """The words' stream, for what the program would never write."""
    assert side.link._words
    return side.link._words._stream


@pytest.mark.parametrize("identity", [[1], {}, "1", None, True, 1 << 70])
def test_an_answer_to_nothing_is_passed_over(pair: tuple[Side, Side], identity: object) -> None:
    a, b = pair
    raw(a).write(wire.encode({"id": identity, "result": {}}) * 3)
    raw(a).flush()
    assert a.link.call("echo", word="x") == {"word": "x"}
    assert b.link.alive


def test_who_calls_without_end_is_hung_up_on(pair: tuple[Side, Side]) -> None:
    a, b = pair
    others = set(threading.enumerate())
    raw(a).write(wire.encode({"id": 1, "call": "hang", "arguments": {}}) * 200)
    raw(a).flush()
    assert b.closed.wait(PATIENCE)
    assert len([t for t in set(threading.enumerate()) - others if t.name.endswith("(_answer)")]) <= 32


@pytest.mark.parametrize("words", [b"[" * 300_000 + b"\n", b"[]\n", b"\xff\n", b"{}"])
def test_who_says_what_the_program_would_not_say_is_hung_up_on(pair: tuple[Side, Side], words: bytes) -> None:
    a, b = pair
    raw(a).write(words)
    raw(a).flush()
    if not words.endswith(b"\n"):
        a.link.close()
    assert b.closed.wait(PATIENCE)


@pytest.mark.parametrize("answer", [{"error": "x"}, {"error": {}}, {"result": [1]}, {}, {"error": {"code": ["a"]}}])
def test_an_answer_of_no_form_is_an_error_of_ours(pair: tuple[Side, Side], answer: dict[str, Any]) -> None:
    a, b = pair
    with calling(b) as told:
        raw(a).write(wire.encode({"id": next(iter(b.link._answers)), **answer}))
        raw(a).flush()
    assert len(told) == 1


@pytest.mark.parametrize("timeline", [[3], [{"name": "x"}], [{"name": "x", "ms": "y"}], [{"name": "x", "ms": None}]])
def test_a_target_that_tells_nonsense_of_its_opening_spoils_nothing(tmp_path: Path, timeline: Any) -> None:
    journal = Journal(str(tmp_path / "journal"))
    for phase in ("frozen", "granted"):
        journal.enter(phase)
    departure = Departure(move.parse(RAW), journal, Link({}, lambda *_: None, lambda: None), lambda *_, **__: None)
    with pytest.raises(GuestError) as caught:
        departure.opened(timeline)
    assert caught.value.code == "guest.bad-message"
    assert departure.timeline()
    years_ago = {"name": "attached /data", "ms": -5 * 365 * 86_400_000}
    departure.opened([years_ago, *[{"name": "x" * 9999, "ms": 1.6}] * 5000])
    assert len(departure.timeline()) <= 1010
    assert journal.phase == "opened"
