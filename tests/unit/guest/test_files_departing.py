"""The source's side: which paths a round tells, and that nothing is lost on the way into the stream."""

from __future__ import annotations

import io
import mmap
import os
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from liveupdate.guest import archive, scan, survey
from liveupdate.guest.errors import GuestError
from liveupdate.guest.files import Departing, Known, Round
from tests.unit.guest.roots import Roots, Tap, pause, remove, replace, tree


@pytest.fixture
def uncopied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    monkeypatch.setattr(survey, "sync", lambda root: None)
    return Roots(tmp_path)


@pytest.fixture
def started(uncopied: Roots) -> Roots:
    """Copied, and the first round done."""
    for name in ("app.conf", "other.conf"):
        (uncopied.source / "etc" / name).write_text("old")
    for name in ("one/x", "two/x", "one/deep/y"):
        path = uncopied.source / "srv" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    uncopied.copy()
    uncopied.first()
    return uncopied


def rewrite(path: Path) -> None:
    """As long as it was, and as old."""
    path.write_text("odd")
    os.utime(path, (1, 1))


def told(changes: Round) -> tuple[set[bytes], set[bytes]]:
    return set(changes.paths), set(changes.deleted)


# -- what has changed -------------------------------------------------------------------------------------------------


def test_a_disk_that_has_not_changed_has_nothing_to_tell(started: Roots) -> None:
    assert not started.departing.first(started.known())
    assert not started.departing.next()


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("new"),
        lambda path: path.write_text("old"),
        lambda path: replace(path, "new"),
        lambda path: path.chmod(0o600),
        lambda path: os.chown(path, 7, 7),
        lambda path: os.setxattr(path, "user.a", os.urandom(4)),
        rewrite,
        lambda path: os.utime(path, (1, 1)),
    ],
    ids=["written", "same", "replaced", "mode", "owner", "attribute", "same size, old time", "time"],
)
def test_a_changed_file_is_told_and_no_other(started: Roots, change: Callable[[Path], object]) -> None:
    path = started.source / "etc/app.conf"
    change(path)
    pause()
    assert b"etc/app.conf" in started.departing.first(started.known()).paths
    assert not started.departing.next()
    change(path)
    changes = started.departing.next()
    assert set(changes.paths) - {b"etc"} == {b"etc/app.conf"}
    assert not changes.deleted
    assert changes.bytes > 0


def test_a_new_file_and_one_that_went(started: Roots) -> None:
    (started.source / "etc/new.conf").touch()
    (started.source / "etc/other.conf").unlink()
    expected = ({b"etc", b"etc/new.conf"}, {b"etc/other.conf"})
    assert told(started.departing.next()) == expected
    assert told(Departing(started.departing._scope, started.since).first(started.known())) == expected


def test_a_renamed_directory_is_told_with_all_below_it(started: Roots) -> None:
    (started.source / "srv/one").rename(started.source / "srv/three")
    expected = (
        {b"srv", b"srv/three", b"srv/three/x", b"srv/three/deep", b"srv/three/deep/y"},
        {b"srv/one", b"srv/one/x", b"srv/one/deep", b"srv/one/deep/y"},
    )
    known = started.known()
    assert told(started.departing.next()) == expected
    assert told(started.departing.first(known)) == expected


def test_what_goes_from_a_renamed_directory_is_told_too(started: Roots) -> None:
    (started.source / "srv/one").rename(started.source / "srv/three")
    started.next()
    (started.source / "srv/three/deep/y").unlink()
    assert started.departing.next().deleted == (b"srv/three/deep/y",)


def test_directories_that_changed_places_are_told_though_each_name_was_there(started: Roots) -> None:
    """Releases are rolled out like this: the files are old, and other ones than before."""
    srv = started.source / "srv"
    (srv / "one").rename(srv / "aside")
    (srv / "two").rename(srv / "one")
    (srv / "aside").rename(srv / "two")
    known = started.known()
    assert {b"srv/one/x", b"srv/two/x", b"srv/two/deep/y"} <= told(started.departing.next())[0]
    assert {b"srv/one/x", b"srv/two/x", b"srv/two/deep/y"} <= told(started.departing.first(known))[0]


def test_directories_that_changed_places_take_along_what_is_deep_below(started: Roots) -> None:
    (started.source / "srv/two/deep").mkdir()
    (started.source / "srv/two/deep/other").touch()
    pause()
    started.next()
    srv = started.source / "srv"
    (srv / "one").rename(srv / "aside")
    (srv / "two").rename(srv / "one")
    (srv / "aside").rename(srv / "two")
    changes = started.departing.next()
    assert set(changes.deleted) == {b"srv/one/deep/y", b"srv/two/deep/other"}
    assert {b"srv/one/deep/other", b"srv/two/deep/y"} <= set(changes.paths)


def test_what_goes_from_the_top_is_told(started: Roots) -> None:
    (started.source / "top").mkdir()
    (started.source / "top/file").touch()
    (started.source / "usr/local/own").touch()
    started.next()
    (started.source / "top/file").unlink()
    (started.source / "top").rmdir()
    (started.source / "usr/local").rename(started.source / "usr/before")
    changes = started.departing.next()
    assert {b"top/file", b"top", b"usr/local/own", b"usr/local"} <= set(changes.deleted)


def test_a_package_s_file_is_not_told_though_a_directory_was_in_its_place(started: Roots) -> None:
    (started.source / "var/lib/dpkg/info/app.list").write_text("/srv/two\n")
    started.departing = started.sides()[0]
    started.first()
    for thing in (started.source / "srv/two/x", started.source / "srv/two"):
        remove(thing)
    (started.source / "srv/two").touch()
    assert b"srv/two" not in started.departing.next().paths


def test_parents_come_before_and_go_after_what_is_in_them(started: Roots) -> None:
    (started.source / "srv/one").rename(started.source / "srv/three")
    changes = started.departing.next()
    assert changes.paths.index(b"srv/three") < changes.paths.index(b"srv/three/deep/y")
    assert changes.deleted.index(b"srv/one/deep/y") < changes.deleted.index(b"srv/one/deep")
    assert changes.deleted.index(b"srv/one/deep") < changes.deleted.index(b"srv/one")


def test_a_file_changed_just_now_is_told_once_more(started: Roots) -> None:
    """Its next change may fall into the same tick of the clock, and look like none."""
    (started.source / "etc/app.conf").write_text("new")
    assert b"etc/app.conf" in started.departing.next().paths
    assert b"etc/app.conf" in started.departing.next().paths
    pause()
    started.departing.next()
    assert not started.departing.next()


@pytest.mark.parametrize("name", ["top", "usr/local/one", "usr/local"])
def test_a_directory_renamed_to_the_top_of_what_is_looked_at_is_told_with_all_below_it(
    started: Roots, name: str
) -> None:
    if name == "usr/local":
        (started.source / name).rename(started.source / "usr/before")
    (started.source / "srv/one").rename(started.source / name)
    changes = started.departing.next()
    assert {f"{name}/x".encode(), f"{name}/deep/y".encode()} <= set(changes.paths)
    assert {b"srv/one", b"srv/one/x"} <= set(changes.deleted)
    assert (b"usr/local/bin" in changes.deleted) is (name == "usr/local")


def test_a_change_is_told_though_the_clock_was_set_back(started: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as fast:
        fast.setattr(survey, "_now", lambda: survey._Moment(time.time() + 3600, time.monotonic()))
        started.departing.next()
    (started.source / "etc/app.conf").write_text("new")
    assert b"etc/app.conf" in started.departing.next().paths


def test_times_to_come_are_no_changes_and_hide_none(started: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before the clock was set right."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 3600)
    started.departing.first(started.known())
    assert not started.departing.next()
    (started.source / "etc/app.conf").write_text("new")
    assert started.departing.next().paths == (b"etc/app.conf",)
    assert not started.departing.next()


def test_a_write_through_a_mapping_is_found(uncopied: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first write to a page is noticed, until the page has gone to the disk."""
    monkeypatch.undo()
    path = uncopied.source / "srv/mapped"
    path.write_bytes(bytes(4096))
    uncopied.copy()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = 1
        pause()
        uncopied.first()
        mapped[1] = 2
        pause()
        uncopied.next()
        pause()
        mapped[2] = 3
        uncopied.finish()
    assert (uncopied.target / "srv/mapped").read_bytes()[:3] == b"\1\2\3"


def test_a_write_after_the_first_round_to_a_page_that_was_dirty_before_is_found(
    uncopied: Roots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    path = uncopied.source / "srv/mapped"
    path.write_bytes(bytes(4096))
    uncopied.copy()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0] = 1
        pause()
        uncopied.first()
        mapped[1] = 2
        uncopied.finish()
    assert (uncopied.target / "srv/mapped").read_bytes()[:2] == b"\1\2"


def test_a_socket_is_not_carried_and_a_file_in_its_place_goes(started: Roots) -> None:
    path = started.source / "etc/app.conf"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        known = started.known()
        assert told(started.departing.next()) == ({b"etc"}, {b"etc/app.conf"})
        assert told(started.departing.first(known)) == ({b"etc"}, {b"etc/app.conf"})


def test_what_is_out_of_scope_is_not_told(started: Roots) -> None:
    for name in ("usr/share/x", "etc/machine-id", "etc/ssh_host_x"):
        (started.source / name).touch()
    assert set(started.departing.next().paths) == {b"etc", b"etc/ssh_host_x"}


def test_what_a_new_mount_hides_has_not_gone(started: Roots) -> None:
    (started.source / "srv/one").rename(started.source.parent / "hidden")
    (started.source / "srv/one").mkdir()
    (started.source / "proc/self").mkdir(parents=True)
    (started.source / "proc/self/mountinfo").write_text("1 1 0:1 / /srv/one rw - ext4 /dev/x rw\n")
    known = started.known()
    assert told(started.departing.next()) == ({b"srv"}, set())
    assert told(started.departing.first(known)) == ({b"srv"}, set())


def test_what_is_mounted_during_a_look_has_not_gone_either(started: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("x", "deep"):
        (started.source / "srv/one" / name).rename(started.source.parent / name)
    (started.source / "proc/self").mkdir(parents=True)
    records = scan._records

    def mount_and_read(process: subprocess.Popen[bytes], complaints: int) -> set[bytes]:
        (started.source / "proc/self/mountinfo").write_text("1 1 0:1 / /srv/one rw - ext4 /dev/x rw\n")
        return records(process, complaints)

    monkeypatch.setattr(scan, "_records", mount_and_read)
    assert told(started.departing.next()) == (set(), set())


# -- what the update did on the target --------------------------------------------------------------------------------


def test_what_the_update_deleted_on_the_target_does_not_come_back(started: Roots) -> None:
    (started.target / "etc/other.conf").unlink()
    (started.source / "etc/app.conf").write_text("new")
    changes = started.departing.first(started.known())
    assert set(changes.paths) - {b"etc"} == {b"etc/app.conf"}


def test_what_the_update_made_on_the_target_stays(started: Roots) -> None:
    (started.target / "etc/new").mkdir()
    (started.target / "etc/new/file").touch()
    (started.source / "etc/app.conf").unlink()
    assert told(started.departing.first(started.known())) == ({b"etc"}, {b"etc/app.conf"})


def test_a_directory_that_the_target_lost_comes_with_what_changed_in_it(started: Roots) -> None:
    (started.target / "srv/one/deep").rename(started.target / "srv/elsewhere")
    (started.target / "srv/one/deep").symlink_to("/elsewhere")
    (started.source / "srv/one/deep/y").write_text("new")
    assert told(started.departing.first(started.known()))[0] == {b"srv/one/deep", b"srv/one/deep/y"}


def test_on_the_way_back_what_the_update_removed_is_not_deleted(started: Roots) -> None:
    """The source is the updated machine then: what went there before the workload came is no loss of the workload's."""
    (started.source / "etc/other.conf").unlink()
    (started.source / "etc/from-the-update").touch()
    pause()
    pause()
    started.since = time.time()
    pause()
    (started.source / "srv/one/x").write_text("written there")
    departing = started.sides()[0]
    assert told(departing.first(started.known())) == ({b"srv/one/x"}, set())


# -- the stream -------------------------------------------------------------------------------------------------------


def test_the_stream_is_a_tar_archive_of_exactly_these_paths(started: Roots) -> None:
    stream = io.BytesIO()
    sent = started.departing.write(Round((b"srv/one", b"etc/app.conf")), stream)
    assert sent == len(stream.getvalue())
    with tarfile.open(fileobj=io.BytesIO(stream.getvalue())) as opened:
        assert opened.getnames() == ["./srv/one", "./etc/app.conf"]


def test_without_paths_the_stream_is_an_empty_archive(started: Roots) -> None:
    stream = io.BytesIO()
    assert started.departing.write(Round(deleted=(b"x",)), stream) == len(stream.getvalue())
    assert list(archive.read(io.BytesIO(stream.getvalue()))) == []


def test_a_file_that_went_meanwhile_is_left_out_and_told_next(started: Roots) -> None:
    gone, stays = started.source / "srv/gone", started.source / "srv/stays"
    gone.write_text("x")
    stays.write_text("x")
    changes = started.departing.next()
    gone.unlink()
    report = started.carry(changes)
    assert report.files == 2
    assert b"srv/gone" in started.departing.next().deleted


@pytest.mark.parametrize("instead", ["link", "file"])
def test_a_directory_that_became_something_else_meanwhile_is_no_error(started: Roots, instead: str) -> None:
    (started.source / "srv/one/x").write_text("new")
    changes = started.departing.next()
    (started.source / "srv/one").rename(started.source / "srv/moved")
    if instead == "link":
        (started.source / "srv/one").symlink_to("one")
    else:
        (started.source / "srv/one").touch()
    started.carry(changes)
    started.finish()
    assert tree(started.target) == tree(started.source)


def test_what_cannot_be_read_is_an_error(started: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "echo 'tar: ./srv/x: Read error at byte 0, while reading 512 bytes: Input/output error' >&2; exit 2"
    monkeypatch.setattr(archive, "_TAR", ("sh", "-c", script))
    with pytest.raises(GuestError) as caught:
        started.departing.write(Round((b"srv/x",)), io.BytesIO())
    assert caught.value.code == "guest.files-unreadable"
    assert "srv/x" in caught.value.detail


def test_a_tar_that_is_killed_is_an_error(started: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_TAR", ("sh", "-c", "kill -9 $$"))
    with pytest.raises(GuestError) as caught:
        started.departing.write(Round((b"srv/x",)), io.BytesIO())
    assert caught.value.code == "guest.files-unreadable"


def test_a_stream_that_breaks_ends_tar(started: Roots) -> None:
    (started.source / "srv/large").write_bytes(bytes(4 << 20))

    def broken() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        started.departing.write(started.departing.next(), Tap(broken))


# -- the last rounds --------------------------------------------------------------------------------------------------


def test_an_undisturbed_end_is_one_round(started: Roots) -> None:
    (started.source / "etc/app.conf").write_text("new")
    rounds = []
    for changes in started.departing.last():
        rounds.append(changes)
        started.carry(changes)
    assert [set(changes.paths) for changes in rounds] == [{b"etc/app.conf"}]


def test_with_nothing_changed_there_is_no_last_round(started: Roots) -> None:
    assert list(started.departing.last()) == []


def test_a_file_torn_while_it_was_read_in_the_last_round_comes_again(started: Roots) -> None:
    path = started.source / "srv/busy"
    path.write_bytes(b"a" * (8 << 20))
    rounds = started.departing.last()

    def change() -> None:
        with path.open("r+b") as file:
            file.write(b"b" * 100)
            file.truncate(7 << 20)

    stream = Tap(change)
    started.departing.write(next(rounds), stream)
    started.arriving.apply(io.BytesIO(stream.getvalue()), ())
    for changes in rounds:
        started.carry(changes)
    assert tree(started.target) == tree(started.source)


def test_what_moved_while_it_was_read_in_the_last_round_is_looked_for(started: Roots) -> None:
    (started.source / "srv/one/x").write_text("new")
    rounds = started.departing.last()
    changes = next(rounds)
    (started.source / "srv/one/x").rename(started.source / "srv/two/elsewhere")
    started.carry(changes)
    for changes in rounds:
        started.carry(changes)
    assert tree(started.target) == tree(started.source)


def test_a_file_that_never_stops_changing_does_not_hold_the_end_up(started: Roots) -> None:
    path = started.source / "srv/busy"
    path.write_bytes(b"a" * (1 << 20))
    count = 0
    for changes in started.departing.last():
        count += 1
        started.departing.write(changes, Tap(lambda: path.write_bytes(b"b" * (1 << 20))))
    assert count == 3


# -- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [b"etc/x", b"new\nline", b"\xff\xfe", b"a b  c", " – ü".encode()])
def test_a_path_survives_a_message(path: bytes) -> None:
    known = Known(path, b"f", 12, True)
    assert Known.of(known.as_text()) == known
