"""A boot set of several file systems is synchronised as one tree: real ones, mounted in source and target."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from liveupdate.guest import survey
from liveupdate.guest.errors import GuestError
from liveupdate.guest.scan import Entry, scan
from liveupdate.guest.scope import Scope
from tests.unit.guest.roots import Roots, pause, remove, tree

#: Of the operating system, on volumes of their own; the last is a data volume.
SYSTEMS = ("var", "usr", "srv/deep")
DATA = "var/lib/data"


@pytest.fixture
def mounted() -> Iterator[list[Path]]:
    """What is mounted while the test runs; it may add to it."""
    places: list[Path] = []
    yield places
    for place in reversed(places):
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def mount(place: Path, mounted: list[Path]) -> None:
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    mounted.append(place)


def tell_mounts(root: Path, *places: str) -> None:
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    lines = [f"1 1 0:1 / /{place} rw - ext4 /dev/x rw\n" for place in ("", *places)]
    (root / "proc/self/mountinfo").write_text("".join(lines))


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounted: list[Path]) -> Roots:
    monkeypatch.setattr(survey, "sync", lambda root: None)
    for side in ("source", "target"):
        for name in (*SYSTEMS, DATA):
            mount(tmp_path / side / name, mounted)
        tell_mounts(tmp_path / side, *SYSTEMS, DATA)
    roots = Roots(tmp_path, SYSTEMS)
    for name in ("etc/app.conf", "var/log/app.log", "var/lib/app/state", "srv/deep/a/b/file", "usr/local/bin/tool"):
        put(roots.source, name)
    put(roots.source, f"{DATA}/theirs")
    put(roots.source, "usr/bin/packaged")
    roots.copy()
    return roots


def put(root: Path, name: str, content: str = "old") -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def assert_alike(roots: Roots) -> None:
    leave = ("proc", DATA, "usr/bin")
    assert tree(roots.target, leave) == tree(roots.source, leave)


def test_every_change_on_each_of_them_arrives(roots: Roots) -> None:
    roots.first()
    for system in ("etc", "var/lib/app", "srv/deep/a", "usr/local"):
        put(roots.source, f"{system}/new", "new")
        put(roots.source, f"{system}/folder/below", "below")
        os.link(roots.source / system / "new", roots.source / system / "linked")
    put(roots.source, "var/log/app.log", "more")
    remove(roots.source / "srv/deep/a/b")
    roots.next()
    assert_alike(roots)
    os.rename(roots.source / "var/lib/app/folder", roots.source / "var/lib/app/renamed")
    remove(roots.source / "var/lib/app/state")
    assert [report.conflicts for report in roots.finish()] == [()]
    assert_alike(roots)
    assert not list(roots.target.rglob(".liveupdate"))


def test_what_moves_from_one_to_another_arrives(roots: Roots) -> None:
    roots.first()
    subprocess.run(["mv", roots.source / "var/lib/app", roots.source / "srv/deep/app"], check=True)
    roots.next()
    assert_alike(roots)


def test_changes_between_the_copy_and_the_first_round_arrive(roots: Roots) -> None:
    put(roots.source, "var/log/app.log", "since")
    remove(roots.source / "srv/deep/a/b")
    roots.first()
    assert_alike(roots)


def test_what_a_package_brought_and_what_a_data_volume_holds_stays(roots: Roots) -> None:
    roots.first()
    put(roots.source, "usr/bin/packaged", "changed")
    put(roots.source, f"{DATA}/theirs", "changed")
    roots.next()
    assert (roots.target / "usr/bin/packaged").read_text() == "old"
    assert (roots.target / DATA / "theirs").read_text() == "old"


def test_numbers_of_inodes_mean_nothing_in_another_file_system(roots: Roots) -> None:
    """What is left out in one must not be left out in another because it has the same number there."""
    seen = {Entry.of(record).path for record in scan(roots.scope("source"))}
    left = {b"var/lib/dpkg", b"var/lib/data"}
    numbers = {os.lstat(roots.source / os.fsdecode(path)).st_ino for path in left}
    same = [p for p in roots.source.glob("srv/deep/**/*") if p.lstat().st_ino in numbers]
    assert same, "tmpfs numbers its inodes from 1 on in each file system"
    assert {os.fsencode(path.relative_to(roots.source)) for path in same} <= seen
    assert not {path for path in seen if path.startswith((b"var/lib/dpkg/", b"var/lib/data/", b"usr/bin"))}


@pytest.mark.parametrize("side", ["source", "target"])
def test_one_that_is_not_mounted_any_more_has_not_lost_its_files(roots: Roots, side: str) -> None:
    roots.first()
    changes = roots.departing.next()
    tell_mounts(roots.source if side == "source" else roots.target, "usr", "srv/deep")
    before = tree(roots.target, ("proc",))
    with pytest.raises(GuestError) as caught:
        roots.next() if side == "source" else roots.carry(changes)
    assert (caught.value.code, "/var" in caught.value.detail) == ("guest.system-missing", True)
    pause()
    assert tree(roots.target, ("proc",)) == before


def test_the_operator_may_name_what_is_on_one_of_them_but_not_what_is_on_a_data_volume(roots: Roots) -> None:
    systems = [f"/{system}" for system in SYSTEMS]
    assert Scope(["/usr/bin"], [], str(roots.source), systems).covers(b"usr/bin/packaged", False)
    with pytest.raises(GuestError, match="not of the boot set"):
        Scope([f"/{DATA}/theirs"], [], str(roots.source), systems)


def test_all_of_them_are_flushed(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(survey, "sync", flushed.append)
    roots.departing.next()
    assert flushed == [str(roots.source), *(str(roots.source / name) for name in sorted(SYSTEMS))]
    flushed.clear()
    roots.arriving.settle()
    assert flushed == [str(roots.target), *(str(roots.target / name) for name in sorted(SYSTEMS))]
