"""The target's side: nothing lands, or is deleted, anywhere else than it should."""

from __future__ import annotations

import io
import tarfile

import pytest

from liveupdate.guest import files
from liveupdate.guest.errors import GuestError
from tests.unit.guest.roots import Roots, remove, tree, winners

# -- and nowhere else -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [True, False])
def test_a_link_in_the_way_is_not_followed(roots: Roots, absolute: bool) -> None:
    outside = roots.target.parent / "outside"
    outside.mkdir()
    remove(roots.target / "srv/a/b")
    (roots.target / "srv/a/b").symlink_to(outside if absolute else "../../../outside")
    (roots.source / "srv/a/b/file").write_text("new")
    report = roots.carry(files.Round((b"srv/a/b/file",)))
    assert list(outside.iterdir()) == []
    assert (roots.target / "srv/a/b/file").read_text() == "new"
    assert not (roots.target / "srv/a/b").is_symlink()
    assert report.files == 1


def test_nothing_is_deleted_through_a_link(roots: Roots) -> None:
    outside = roots.target.parent / "outside"
    outside.mkdir()
    (outside / "file").touch()
    remove(roots.target / "srv/a/b")
    (roots.target / "srv/a/b").symlink_to(outside)
    report = roots.carry(files.Round(deleted=(b"srv/a/b/file",)))
    assert (outside / "file").exists()
    assert report.deleted == 0


def test_a_link_of_the_target_is_replaced_not_written_through(roots: Roots) -> None:
    outside = roots.target.parent / "outside"
    outside.write_text("untouched")
    (roots.target / "srv/a/other").unlink()
    (roots.target / "srv/a/other").symlink_to(outside)
    (roots.source / "srv/a/other").write_text("new")
    roots.first()
    assert outside.read_text() == "untouched"
    assert not (roots.target / "srv/a/other").is_symlink()
    assert (roots.target / "srv/a/other").read_text() == "new"


def crafted(*members: tuple[str, bytes, str]) -> io.BytesIO:
    """An archive of (name, type, target of a link)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, kind, link in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(b"evil"))
    return io.BytesIO(stream.getvalue())


@pytest.mark.parametrize("name", ["../outside", "/outside", "srv/../../outside", "srv/..", "", ".", "./", "srv/../x"])
def test_a_name_that_leads_elsewhere_is_refused(roots: Roots, name: str) -> None:
    before = tree(roots.target)
    with pytest.raises(GuestError) as caught:
        roots.arriving.apply(crafted((name, tarfile.REGTYPE, "")), ())
    assert caught.value.code == "guest.bad-files"
    assert tree(roots.target) == before
    assert {path.name for path in roots.target.parent.iterdir()} == {"source", "target"}


@pytest.mark.parametrize("name", [b"../outside", b"srv/../../outside", b"/etc/app.conf"])
def test_a_deletion_that_leads_elsewhere_is_refused(roots: Roots, name: bytes) -> None:
    (roots.target.parent / "outside").touch()
    with pytest.raises(GuestError) as caught:
        roots.carry(files.Round(deleted=(name,)))
    assert caught.value.code == "guest.bad-files"
    assert (roots.target.parent / "outside").exists()
    assert (roots.target / "etc/app.conf").exists()


def test_a_link_and_then_something_below_it_stays_inside(roots: Roots) -> None:
    outside = roots.target.parent / "outside"
    outside.mkdir()
    roots.arriving.apply(
        crafted(("srv/x", tarfile.SYMTYPE, str(outside)), ("srv/x/evil", tarfile.REGTYPE, "")),
        (),
    )
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("first", ["usr/share/secret", "etc/machine-id"])
def test_no_second_name_for_what_is_not_carried(roots: Roots, first: str) -> None:
    (roots.target / first).touch()
    report = roots.arriving.apply(crafted(("srv/name", tarfile.LNKTYPE, first)), ())
    assert winners(report) == {"srv/name": "target"}
    assert not (roots.target / "srv/name").exists()


def test_no_second_name_for_what_is_elsewhere(roots: Roots) -> None:
    (roots.target.parent / "outside").touch()
    with pytest.raises(GuestError) as caught:
        roots.arriving.apply(crafted(("srv/name", tarfile.LNKTYPE, "../outside")), ())
    assert caught.value.code == "guest.bad-files"
    assert not (roots.target / "srv/name").exists()


@pytest.mark.parametrize("path", ["usr/share/x", "proc/x", "var/lib/dpkg/status", "etc/ssh/ssh_host_x", "boot/x"])
def test_what_is_not_in_scope_is_not_written_and_told(roots: Roots, path: str) -> None:
    before = tree(roots.target)
    report = roots.arriving.apply(crafted((path, tarfile.REGTYPE, "")), (path.encode(),))
    assert winners(report) == {path: "target"}
    assert tree(roots.target) == before


def test_an_unknown_type_of_member_is_refused(roots: Roots) -> None:
    with pytest.raises(GuestError) as caught:
        roots.arriving.apply(crafted(("srv/x", b"Z", "")), ())
    assert caught.value.code in ("guest.bad-files", "guest.files-cut-short")
