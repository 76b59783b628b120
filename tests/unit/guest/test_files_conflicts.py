"""The target's side: who wins where both have changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from liveupdate.guest import survey
from liveupdate.guest.errors import GuestError
from liveupdate.guest.files import Arriving, Round
from liveupdate.guest.scope import Scope
from tests.unit.guest.roots import Roots, remove, tree, winners

# -- who wins ---------------------------------------------------------------------------------------------------------


def test_changed_on_both_the_source_wins_and_it_is_told(roots: Roots) -> None:
    (roots.source / "etc/app.conf").write_text("source's")
    (roots.target / "etc/app.conf").write_text("target's")
    report = roots.first()
    assert (roots.target / "etc/app.conf").read_text() == "source's"
    assert winners(report) == {"etc/app.conf": "source"}
    assert report.as_json()["conflicts"][0]["path"] == "etc/app.conf"


def test_changed_on_the_target_alone_it_stays(roots: Roots) -> None:
    (roots.target / "etc/app.conf").write_text("target's")
    (roots.source / "srv/a/other").write_text("source's")
    assert winners(roots.first()) == {}
    assert (roots.target / "etc/app.conf").read_text() == "target's"


@pytest.mark.parametrize("path", ["etc/ld.so.cache", "var/log/dpkg.log", "var/log/apt/history.log", "var/cache/man/x"])
def test_what_the_update_has_written_stays_and_it_is_told(roots: Roots, path: str) -> None:
    for root in (roots.source, roots.target):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(root.name)
    report = roots.first()
    assert (roots.target / path).read_text() == "target"
    assert winners(report) == {path: "target"}


def test_what_the_update_could_have_written_but_has_not_is_carried(roots: Roots) -> None:
    (roots.source / "etc/ld.so.cache").write_text("source's")
    roots.first()
    assert (roots.target / "etc/ld.so.cache").read_text() == "source's"


def test_deleted_there_and_changed_here_it_goes_and_it_is_told(roots: Roots) -> None:
    roots.first()
    (roots.source / "etc/app.conf").unlink()
    (roots.target / "etc/app.conf").write_text("target's")
    assert winners(roots.next()) == {"etc/app.conf": "source"}
    assert not (roots.target / "etc/app.conf").exists()


def test_a_directory_deleted_there_stays_while_something_is_in_it_here(roots: Roots) -> None:
    roots.first()
    remove(roots.source / "srv/a")
    (roots.target / "srv/a/own").touch()
    assert winners(roots.next()) == {"srv/a": "target"}
    assert [path.name for path in (roots.target / "srv/a").iterdir()] == ["own"]


def test_a_file_that_takes_a_directory_s_place_takes_all_below_it(roots: Roots) -> None:
    roots.first()
    (roots.target / "srv/a/own/below").mkdir(parents=True)
    (roots.target / "srv/a/own/link").symlink_to(roots.target.parent)
    remove(roots.source / "srv/a")
    (roots.source / "srv/a").write_text("x")
    roots.next()
    assert tree(roots.target) == tree(roots.source)


def test_what_a_package_brought_to_the_target_is_not_replaced_deleted_or_buried(roots: Roots) -> None:
    brought = "/srv/a/b/file\n/srv/a/other\n/etc/link\n"
    (roots.target / "var/lib/dpkg/info/new.list").write_text(brought)
    (roots.target / "etc/link").symlink_to("/usr")
    roots.arriving = Arriving(Scope(root=str(roots.target)), roots.since)
    (roots.source / "srv/a/other").write_text("source's")
    (roots.source / "etc/link").mkdir()
    (roots.source / "etc/link/x").touch()
    remove(roots.source / "srv/a/b")
    (roots.source / "srv/a/b").touch()
    report = roots.carry(roots.departing.first(roots.known()))
    assert winners(report) == dict.fromkeys(("srv/a/other", "srv/a/b", "etc/link", "etc/link/x"), "target")
    assert (roots.target / "srv/a/other").read_text() == "old"
    assert (roots.target / "srv/a/b/file").read_text() == "old"
    assert (roots.target / "etc/link").is_symlink()


@pytest.mark.parametrize("path", ["srv/a/other", "etc/machine-id"])
def test_what_is_not_carried_here_is_not_deleted_and_told(roots: Roots, path: str) -> None:
    (roots.target / "var/lib/dpkg/info/new.list").write_text("/srv/a/other\n")
    (roots.target / "etc/machine-id").touch()
    report = roots.carry(Round(deleted=(path.encode(),)))
    assert winners(report) == {path: "target"}
    assert (roots.target / path).exists()


def test_a_directory_in_which_only_we_wrote_has_not_been_changed_here(roots: Roots) -> None:
    (roots.source / "srv/a/b/file").write_text("new")
    roots.first()
    (roots.source / "srv/a/b").chmod(0o700)
    assert winners(roots.next()) == {}
    assert tree(roots.target) == tree(roots.source)


def test_directories_in_which_both_wrote_are_no_conflict(roots: Roots) -> None:
    (roots.source / "srv/a/source").touch()
    (roots.target / "srv/a/target").touch()
    assert winners(roots.first()) == {}
    assert (roots.target / "srv/a/source").exists()
    assert (roots.target / "srv/a/target").exists()


def test_a_directory_s_mode_that_both_have_changed_is_one(roots: Roots) -> None:
    (roots.source / "srv/a").chmod(0o700)
    (roots.target / "srv/a").chmod(0o711)
    assert winners(roots.first()) == {"srv/a": "source"}
    assert stat.S_IMODE((roots.target / "srv/a").stat().st_mode) == 0o700


def test_both_came_to_the_same_it_is_no_conflict(roots: Roots) -> None:
    for root in (roots.source, roots.target):
        (root / "etc/app.conf").write_text("new")
        os.utime(root / "etc/app.conf", (5, 5))
    assert winners(roots.first()) == {}


def test_what_came_in_an_earlier_round_is_no_change_of_the_target(roots: Roots) -> None:
    path = roots.source / "srv/a/new/file"
    path.parent.mkdir()
    for content in ("1", "2", "3"):
        path.write_text(content)
        path.parent.chmod(0o700 + int(content))
        report = roots.next() if content != "1" else roots.first()
        assert winners(report) == {}
    path.unlink()
    assert winners(roots.next()) == {}
    assert tree(roots.target) == tree(roots.source)


def test_with_its_memory_a_target_that_starts_again_knows_what_it_has_put_into_place(roots: Roots) -> None:
    def start() -> Arriving:
        return Arriving(Scope(root=str(roots.target)), roots.since, str(roots.target.parent / "memory"))

    roots.arriving = start()
    (roots.source / "srv/new\nname").touch()
    (roots.source / "etc/app.conf").write_text("1")
    roots.first()
    with (roots.target.parent / "memory").open("ab") as memory:
        memory.write(b"12 3")  # killed while it wrote
    roots.departing, _ = roots.sides()
    roots.arriving = start()
    (roots.source / "srv/new\nname").unlink()
    (roots.source / "etc/app.conf").write_text("2")
    assert winners(roots.first()) == {}
    assert tree(roots.target) == tree(roots.source)
    assert stat.S_IMODE((roots.target.parent / "memory").stat().st_mode) == 0o600


def test_conflicts_are_all_counted_and_the_first_are_told(roots: Roots) -> None:
    for root in (roots.source, roots.target):
        for number in range(130):
            (root / "srv" / f"{number:03}").write_text(root.name)
    report = roots.first()
    assert report.conflict_count == 130
    assert [conflict.path for conflict in report.conflicts] == [f"srv/{number:03}" for number in range(100)]


def test_a_conflict_s_path_can_be_shown(roots: Roots) -> None:
    for root in (roots.source, roots.target):
        (root / "srv/\udcff").write_text(root.name)
    assert winners(roots.first()) == {"srv/\\xff": "source"}


def test_settled_means_on_the_disk(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(survey, "sync", synced.append)
    roots.arriving.settle()
    assert synced == [str(roots.target)]


def test_a_disk_that_cannot_be_written_back_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, *_: object, **__: object) -> None:
            self.syncfs = lambda descriptor: -1

    monkeypatch.setattr("ctypes.CDLL", Broken)
    with pytest.raises(GuestError) as caught:
        survey.sync(str(tmp_path))
    assert caught.value.code == "guest.disk-failed"
