"""The target's side: everything arrives as it was, in one piece."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from liveupdate.guest import placing
from liveupdate.guest.errors import GuestError
from tests.unit.guest.roots import Roots, pause, remove, tree, winners

# -- everything arrives as it was --------------------------------------------------------------------------------------


def acl(*entries: tuple[int, int, int]) -> bytes:
    """As the kernel has it: a version, then tag, permissions and number of each."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 0xFFFFFFFF
USER_4711 = acl((1, 6, NOBODY), (2, 7, 4711), (4, 4, NOBODY), (0x10, 7, NOBODY), (0x20, 4, NOBODY))
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        for at in (0, 1 << 20, 1 << 26):
            file.seek(at)
            file.write(b"data")
        file.truncate(1 << 27)


def linked(path: Path) -> None:
    path.write_text("x")
    os.link(path, path.with_name("another"))
    os.link(path, path.parents[1] / "etc/third")


def owned(path: Path) -> None:
    path.write_text("x")
    os.chown(path, 3_000_000, 4_000_000_000)
    path.chmod(0o6751)


def attributed(path: Path) -> None:
    path.write_text("x")
    for name in ("user.a", "user.b=c", "user.%3D", "trusted.d"):
        os.setxattr(path, name, b"a\nb\0\xff=%")
    os.setxattr(path, "user.empty", b"")


def with_acls(path: Path) -> None:
    path.mkdir(0o750)
    os.setxattr(path, "system.posix_acl_default", USER_4711)
    (path / "inherits").touch()
    (path / "below").mkdir()
    (path / "plain").touch()
    os.removexattr(path / "plain", "system.posix_acl_access")


def owned_link(path: Path) -> None:
    path.symlink_to("x")
    os.chown(path, 7, 8, follow_symlinks=False)
    os.setxattr(path, "trusted.a", b"b", follow_symlinks=False)


def with_attribute(name: str, value: bytes) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.touch()
        os.setxattr(path, name, value)

    return make


def changed_at(nanoseconds: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        path.touch()
        os.utime(path, ns=(1, nanoseconds))

    return make


THINGS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("x"),
    "empty file": Path.touch,
    "large file": lambda path: path.write_bytes(os.urandom(3 << 20)),
    "directory": lambda path: path.mkdir(0o1777),
    "closed directory": lambda path: path.mkdir(0),
    "link to nowhere": lambda path: path.symlink_to("/nowhere"),
    "link upwards": lambda path: path.symlink_to("../../../../etc/passwd"),
    "long link": lambda path: path.symlink_to("x/" * 1500),
    "owner and attribute of a link": owned_link,
    "pipe": lambda path: os.mkfifo(path, 0o620),
    "character device": lambda path: os.mknod(path, stat.S_IFCHR | 0o660, os.makedev(1, 3)),
    "block device": lambda path: os.mknod(path, stat.S_IFBLK | 0o660, os.makedev(254, 70_000)),
    "whiteout": lambda path: os.mknod(path, stat.S_IFCHR, os.makedev(0, 0)),
    "owner, group and setuid": owned,
    "attributes": attributed,
    "capability": with_attribute("security.capability", CAPABILITY),
    "ACL": with_attribute("system.posix_acl_access", USER_4711),
    "default ACL": with_acls,
    "hard links": linked,
    "before 1970": changed_at(-1_500_000_000),
    "to the nanosecond": changed_at(1_700_000_000_123_456_789),
}


@pytest.mark.parametrize("thing", THINGS)
def test_it_arrives_as_it_was(roots: Roots, thing: str) -> None:
    THINGS[thing](roots.source / "srv/it")
    report = roots.first()
    assert tree(roots.target) == tree(roots.source)
    assert winners(report) == {}


def test_what_was_not_read_by_others_looks_unread(roots: Roots) -> None:
    """A mailbox with new mail, for one."""
    path = roots.source / "srv/it"
    path.write_text("x")
    os.utime(path, ns=(1_000_000_000_000_000_001, 1_700_000_000_123_456_789))
    roots.first()
    assert path.stat().st_atime_ns == 1_000_000_000_000_000_001
    assert (roots.target / "srv/it").stat().st_atime_ns == 1_000_000_000_000_000_001


def test_holes_stay_holes(roots: Roots) -> None:
    sparse(roots.source / "srv/it")
    roots.first()
    here, there = os.stat(roots.source / "srv/it"), os.stat(roots.target / "srv/it")
    assert (there.st_size, there.st_blocks) == (here.st_size, here.st_blocks)
    with (roots.target / "srv/it").open("rb") as file:
        for at in (0, 1 << 20, 1 << 26):
            file.seek(at)
            assert file.read(5) == b"data\0"


NAMES = [
    b"-rf", b"--checkpoint-action=exec=sh x", b"new\nline", b"\xff\xfe", b"back\\nslash", b"*?[x]", b" ", b"...",
    b"..x", b"tab\t", b"quote'\"$(x)", b"n" * 255, "ä".encode() * 100, b"%s=3", b"\x01", b"@x", b"C:x",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_it_arrives_whatever_its_name(roots: Roots, name: bytes) -> None:
    folder = roots.source / "srv" / os.fsdecode(name)
    folder.mkdir()
    (folder / os.fsdecode(name)).write_text("x")
    os.link(folder / os.fsdecode(name), folder / "another")
    (folder / "link").symlink_to(os.fsdecode(name))
    roots.first()
    assert tree(roots.target) == tree(roots.source)
    remove(folder)
    roots.next()
    assert tree(roots.target) == tree(roots.source)


def test_a_deep_path_arrives(roots: Roots) -> None:
    path = roots.source.joinpath("srv", *["directory-with-a-longer-name"] * 30)
    path.mkdir(parents=True)
    (path / "file").write_text("x")
    roots.first()
    assert tree(roots.target) == tree(roots.source)


def full(path: Path) -> None:
    (path / "below").mkdir(parents=True)
    (path / "below/file").touch()


KINDS: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("x"),
    "directory": full,
    "link to a directory": lambda path: path.symlink_to("a"),
    "pipe": os.mkfifo,
    "nothing": lambda path: None,
}


@pytest.mark.parametrize("before", KINDS)
@pytest.mark.parametrize("after", KINDS)
def test_one_kind_replaces_another(roots: Roots, before: str, after: str) -> None:
    path = roots.source / "srv/it"
    KINDS[before](path)
    roots.first()
    if os.path.lexists(path):
        remove(path)
    KINDS[after](path)
    report = roots.next()
    assert tree(roots.target) == tree(roots.source)
    assert winners(report) == {}


def test_attributes_that_were_taken_away_go(roots: Roots) -> None:
    attributed(roots.source / "srv/file")
    with_acls(roots.source / "srv/folder")
    roots.first()
    os.removexattr(roots.source / "srv/file", "user.a")
    os.removexattr(roots.source / "srv/folder", "system.posix_acl_default")
    roots.next()
    assert tree(roots.target) == tree(roots.source)


def test_names_of_one_file_come_apart_and_together(roots: Roots) -> None:
    linked(roots.source / "srv/it")
    roots.first()
    (roots.source / "srv/another").unlink()
    (roots.source / "srv/another").write_text("x")
    assert winners(roots.next()) == {}
    assert tree(roots.target) == tree(roots.source)
    (roots.source / "srv/another").unlink()
    os.link(roots.source / "etc/third", roots.source / "srv/another")
    pause()
    assert winners(roots.next()) == {}
    assert winners(roots.next()) == {}
    assert tree(roots.target) == tree(roots.source)


def test_the_other_way_round_it_is_the_same_again(roots: Roots) -> None:
    """Moved there and, after some work, back."""
    (roots.source / "srv/a/b/file").write_text("written before")
    (roots.source / "srv/new").write_text("x")
    roots.first()
    roots.finish()
    roots.source, roots.target = roots.target, roots.source
    pause()
    roots.since = time.time()
    pause()
    roots.departing, roots.arriving = roots.sides()
    (roots.source / "srv/a/b/file").write_text("written there")
    (roots.source / "srv/new").unlink()
    (roots.source / "srv/a/b").rename(roots.source / "srv/c")
    report = roots.first()
    roots.finish()
    assert winners(report) == {}
    assert tree(roots.target) == tree(roots.source)


# -- in one piece, or not at all --------------------------------------------------------------------------------------


def test_whoever_reads_the_older_version_reads_it_to_its_end(roots: Roots) -> None:
    with (roots.target / "etc/app.conf").open() as reader:
        (roots.source / "etc/app.conf").write_text("new, and longer")
        roots.first()
        assert reader.read() == "old"
    assert (roots.target / "etc/app.conf").read_text() == "new, and longer"


def test_a_stream_that_was_cut_is_never_taken_for_whole(roots: Roots) -> None:
    for name in "abc":
        (roots.source / "srv" / name).mkdir(exist_ok=True)
        (roots.source / "srv" / name / "new").write_text(name * 700)
    changes = roots.departing.first(roots.known())
    stream = io.BytesIO()
    roots.departing.write(changes, stream)
    whole = stream.getvalue()
    end = len(whole.rstrip(b"\0"))
    for length in [*range(0, end, 512), end - 1, *range(100, end, 1999)]:
        with pytest.raises(GuestError) as caught:
            roots.arriving.apply(io.BytesIO(whole[:length]), ())
        assert caught.value.code == "guest.files-cut-short"
        for path in (roots.target / "srv").rglob("new"):
            assert path.read_text() == path.parent.name * 700
    assert not (roots.target / ".liveupdate").exists()
    assert winners(roots.carry(changes)) == {}
    assert tree(roots.target) == tree(roots.source)


def test_a_stream_that_is_spoilt_is_an_error(roots: Roots) -> None:
    (roots.source / "srv/new").write_text("x")
    (roots.source / "srv/newer").write_text("x")
    stream = io.BytesIO()
    roots.departing.write(roots.departing.first(roots.known()), stream)
    spoilt = bytearray(stream.getvalue())
    at = spoilt.rindex(b"ustar") - 100
    spoilt[at] ^= 1
    with pytest.raises(GuestError) as caught:
        roots.arriving.apply(io.BytesIO(bytes(spoilt)), ())
    assert caught.value.code == "guest.files-cut-short"


def test_the_stream_is_read_to_its_end(roots: Roots) -> None:
    stream = io.BytesIO(bytes(10240 + 1_000_000))
    roots.arriving.apply(stream, ())
    assert stream.read() == b""


def test_what_a_broken_round_left_is_cleared_away(roots: Roots) -> None:
    (roots.target / ".liveupdate").mkdir()
    (roots.target / ".liveupdate/1").touch()
    roots.arriving.clear()
    assert not (roots.target / ".liveupdate").exists()
    (roots.target / ".liveupdate").mkdir()
    (roots.target / ".liveupdate/1").touch()
    (roots.source / "srv/new").touch()
    roots.first()
    assert tree(roots.target) == tree(roots.source)


def test_a_large_file_without_room_for_two_versions_is_replaced(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    (roots.source / "srv/a/other").write_bytes(b"x" * 5000)
    changes = roots.departing.first(roots.known())
    room = os.statvfs(roots.target)
    monkeypatch.setattr(placing, "_LARGE", 4096)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((*room[:4], 1, *room[5:])))
    before = placing._make

    def make(member: tarfile.TarInfo, archive: tarfile.TarFile, path: bytes) -> None:
        gone.append(not (roots.target / "srv/a/other").exists())
        before(member, archive, path)

    gone: list[bool] = []
    monkeypatch.setattr(placing, "_make", make)
    roots.carry(changes)
    assert gone == [True]
    assert tree(roots.target) == tree(roots.source)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPERM, errno.EROFS])
def test_a_disk_that_refuses_is_an_error_that_names_the_file(
    roots: Roots, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    (roots.source / "srv/new").write_text("x")
    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(GuestError) as caught:
        roots.first()
    assert caught.value.code == "guest.files-refused"
    assert "/srv/new" in caught.value.detail
    assert os.strerror(number) in caught.value.detail
