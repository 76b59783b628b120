"""Putting things into place below a root, where nothing found there is trusted: no link is ever followed.

Each thing is made in a private directory at the top of its file system and then moved to its place in one step, so
that nobody sees half a file.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tarfile
from contextlib import suppress
from decimal import Decimal
from typing import IO, Any, cast

from .errors import GuestError
from .scope import STAGE, Scope, parent

_CHUNK = 1 << 20
#: Files from this size on may find no room beside their older versions.
_LARGE = 16 << 20
_TIME = re.compile(r"-?[0-9]{1,12}(\.[0-9]{0,20})?")
_XATTR = "SCHILY.xattr."
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Kept(Exception):
    """What is there stays: it is not ours to replace. The argument says why."""


class Tree:
    """The boot set's file systems while one round is put into place."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._root = os.fsencode(scope.root)
        #: The file systems that have a private directory.
        self._stages: set[bytes] = set()
        self._made = 0
        #: The directory used last, open.
        self._at: tuple[bytes, int] | None = None
        #: Directories as they were before anything was done in them.
        self.touched: dict[bytes, os.stat_result] = {}
        #: Directories that came in this round: described last, when nothing is put into them any more.
        self._folders: dict[bytes, tarfile.TarInfo] = {}

    def __enter__(self) -> Tree:
        clear(self._scope)
        return self

    def __exit__(self, *_: object) -> None:
        clear(self._scope)
        self._leave()

    def finish(self) -> None:
        """Give the directories that came, or were touched, the attributes and times they have on the source."""
        clear(self._scope)
        for path in {**self.touched, **self._folders}:
            with suppress(FileNotFoundError, NotADirectoryError):
                at = self._descend(path)
                if path in self._folders:
                    _describe(self._folders[path], at)
                else:
                    os.utime(at, ns=(self.touched[path].st_atime_ns, self.touched[path].st_mtime_ns))

    def status(self, path: bytes) -> os.stat_result | None:
        """What is at the path now."""
        try:
            return os.stat(os.path.basename(path), dir_fd=self._descend(parent(path)), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def put(self, path: bytes, member: tarfile.TarInfo, archive: tarfile.TarFile) -> None:
        """Make the archive's member at the path. Raises Kept, OSError, GuestError."""
        self._make_way(parent(path))
        if member.isdir():
            self._put_directory(path, member)
            return
        self._made += 1
        made = os.path.join(self._stage(path), b"%d" % self._made)
        if member.islnk():
            self._link(plain(member.linkname), made)
        else:
            if member.isreg():
                self._make_room(path, member.size)
            _make(member, archive, made)
            _describe(member, made)
        if _is_directory(self.status(path)) and not self.delete(path, everything=True):
            raise Kept("a directory here that holds what is not carried")
        os.rename(made, os.path.basename(path), dst_dir_fd=self._descend(parent(path)))

    def delete(self, path: bytes, *, everything: bool = False) -> bool:
        """Remove what is at the path; a directory with ``everything`` in scope below it, or when it is empty.

        False if it had to stay.
        """
        status = self.status(path)
        if not _is_directory(status):
            if status is not None:
                self._unlink(path)
            return True
        if everything:
            for name in os.listdir(self._descend(path)):
                below = path + b"/" + os.fsencode(name)
                if self._scope.covers(below, _is_directory(self.status(below))):
                    self.delete(below, everything=True)
        above = self._descend(parent(path))
        try:
            os.rmdir(os.path.basename(path), dir_fd=above)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EBUSY):
                return False
            raise
        return True

    def _put_directory(self, path: bytes, member: tarfile.TarInfo) -> None:
        status = self.status(path)
        if not _is_directory(status):
            if status is not None:
                self._unlink(path)
            os.mkdir(os.path.basename(path), 0o700, dir_fd=self._descend(parent(path)))
        self._folders[path] = member

    def _link(self, first: bytes, made: bytes) -> None:
        shown = os.fsdecode(first)[:200]
        if not self._scope.covers(first, False):
            raise Kept(f"another name of {shown}, which is not carried here")
        folder = self._descend(parent(first))
        os.link(os.path.basename(first), made, src_dir_fd=folder, follow_symlinks=False)

    def _make_room(self, path: bytes, size: int) -> None:
        """A large file that finds no room beside its older version takes its place at once."""
        if size >= _LARGE:
            room = os.statvfs(self._stage(path))
            status = self.status(path)
            if size > room.f_bavail * room.f_frsize and status is not None and stat.S_ISREG(status.st_mode):
                self._unlink(path)

    def _stage(self, path: bytes) -> bytes:
        """The private directory of the path's file system; one that nothing is put to may be read-only."""
        system = self._scope.system(path)
        stage = os.path.join(self._root, system, STAGE)
        if system not in self._stages:
            self._descend(system)
            os.mkdir(stage, 0o700)
            self._stages.add(system)
        return stage

    def _make_way(self, folder: bytes) -> None:
        """Make the directories on the way that are not here: a change below them says that the source has them."""
        with suppress(FileNotFoundError, NotADirectoryError):
            self._descend(folder)
            return
        self._make_way(parent(folder))
        if self.status(folder) is not None:
            if not self._scope.covers(folder, False):
                raise Kept("below something here that is no directory")
            self._unlink(folder)
        os.mkdir(os.path.basename(folder), 0o755, dir_fd=self._descend(parent(folder)))

    def _unlink(self, path: bytes) -> None:
        os.unlink(os.path.basename(path), dir_fd=self._descend(parent(path)))

    def _descend(self, folder: bytes) -> int:
        """The directory, open until the next call. Raises FileNotFoundError, NotADirectoryError (a link is none)."""
        if self._at and self._at[0] == folder:
            return self._at[1]
        at = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in folder.split(b"/") if folder else ():
                above, at = at, os.open(name, _DIRECTORY, dir_fd=at)
                os.close(above)
        except OSError as error:
            os.close(at)
            if error.errno == errno.ELOOP:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
            raise
        self._leave()
        self._at = (folder, at)
        if folder not in self.touched:
            self.touched[folder] = os.stat(at)
        return at

    def _leave(self) -> None:
        if self._at:
            os.close(self._at[1])
            self._at = None


def clear(scope: Scope) -> None:
    """Remove the private directories, should a round have been broken off."""
    for place in scope.file_systems():
        shutil.rmtree(os.path.join(os.fsencode(place), STAGE), ignore_errors=True)


def plain(name: str) -> bytes:
    """A name from the source as a path. Raises GuestError(guest.bad-files) for one that could lead elsewhere."""
    try:
        return checked(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise GuestError("guest.bad-files", f"the name {name[:200]!r} from the source") from None


def checked(path: bytes) -> bytes:
    """The path without what says nothing. Raises GuestError(guest.bad-files) for one that could lead elsewhere."""
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if path.startswith(b"/") or b".." in parts or not parts:
        raise GuestError("guest.bad-files", f"the name {path[:200]!r} from the source")
    return b"/".join(parts)


def times(member: tarfile.TarInfo) -> tuple[int, int]:
    """Access and modification time in nanoseconds. Raises GuestError(guest.bad-files)."""
    modified = _nanoseconds(member.pax_headers.get("mtime", str(member.mtime)))
    return _nanoseconds(member.pax_headers["atime"]) if "atime" in member.pax_headers else modified, modified


def _nanoseconds(told: str) -> int:
    # a number with an exponent could be of any length
    if not _TIME.fullmatch(told):
        raise GuestError("guest.bad-files", f"the time {told[:50]!r} from the source")
    return int(Decimal(told) * 10**9)


def _make(member: tarfile.TarInfo, archive: tarfile.TarFile, path: bytes) -> None:
    """The bare thing, root's alone."""
    if member.isreg():
        _fill(member, archive, path)
    elif member.issym():
        os.symlink(member.linkname.encode("utf-8", "surrogateescape"), path)
    elif member.isfifo():
        os.mkfifo(path, 0o600)
    elif member.isdev():
        kind = stat.S_IFCHR if member.ischr() else stat.S_IFBLK
        os.mknod(path, kind | 0o600, os.makedev(member.devmajor, member.devminor))
    else:
        raise GuestError("guest.bad-files", f"{member.name[:200]!r} is of the unknown type {member.type!r}")


def _fill(member: tarfile.TarInfo, archive: tarfile.TarFile, path: bytes) -> None:
    stream = cast("IO[bytes]", archive.fileobj)
    stream.seek(member.offset_data)
    made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(made, "wb", 0) as file:
        # a sparse file's pieces follow each other, without its holes
        pieces: list[tuple[int, int]] = member.sparse or [(0, member.size)]  # type: ignore[assignment]
        for start, length in pieces:
            file.seek(start)
            while length > 0:
                piece = stream.read(min(length, _CHUNK))
                if not piece:
                    raise GuestError("guest.files-cut-short", f"{member.name[:200]!r} ended too early")
                view = memoryview(piece)
                while view:
                    view = view[file.write(view) :]
                length -= len(piece)
        file.truncate(member.size)


def _describe(member: tarfile.TarInfo, thing: bytes | int) -> None:
    """Owner, attributes with ACLs, mode, times: each undoes some of those after it. ``thing``: a path or descriptor."""
    follow: dict[str, Any] = {} if isinstance(thing, int) else {"follow_symlinks": False}
    os.chown(thing, member.uid, member.gid, **follow)
    wanted = _attributes(member)
    for name in set(map(os.fsencode, os.listxattr(thing, **follow))) - set(wanted):
        os.removexattr(thing, name, **follow)
    for name, value in wanted.items():
        os.setxattr(thing, name, value, **follow)
    if not member.issym():
        os.chmod(thing, member.mode)
    os.utime(thing, ns=times(member), **follow)


def _attributes(member: tarfile.TarInfo) -> dict[bytes, bytes]:
    """Extended attributes; ACLs are among them, with numbers for owners."""
    found = {}
    for key, value in member.pax_headers.items():
        if key.startswith(_XATTR):
            name = key[len(_XATTR) :].replace("%3D", "=").replace("%25", "%")
            found[name.encode("utf-8", "surrogateescape")] = value.encode("utf-8", "surrogateescape")
    return found


def _is_directory(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISDIR(status.st_mode)
