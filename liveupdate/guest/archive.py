"""The stream of files: GNU tar makes it, the standard library reads it."""

from __future__ import annotations

import os
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from typing import IO

from .errors import GuestError
from .external import ENVIRONMENT
from .placing import plain

_CHUNK = 1 << 18
#: Names come whole, one byte string each; ACLs are among the attributes, with numbers for owners.
_TAR = (
    "tar", "--create", "--file=-", "--format=posix", "--blocking-factor=128", "--numeric-owner", "--sparse",
    "--xattrs", "--xattrs-include=*", "--atime-preserve=system", "--quoting-style=escape",
    "--no-recursion", "--null", "--no-unquote", "--files-from=-",
)  # fmt: skip
#: A stream without members.
_EMPTY = bytes(1024)
#: What tar says of a file that went, or changed, while it was read.
_DISTURBED = (
    b": No such file or directory", b": Not a directory", b": Too many levels of symbolic links",
    b": File removed before we read it", b": file changed as we read it", b"; padding with zeros",
)  # fmt: skip
_HARMLESS = (b": socket ignored", b": Exiting with failure status due to previous errors")


def write(root: str, paths: Sequence[bytes], out: IO[bytes]) -> tuple[int, bool]:
    """The files below ``root``: bytes written, and whether one of them went or changed while it was read.

    One that has gone is left out. Raises GuestError(guest.files-unreadable).
    """
    if not paths:
        out.write(_EMPTY)
        return len(_EMPTY), False
    names, complaints = os.memfd_create("names"), os.memfd_create("tar")
    try:
        with os.fdopen(os.dup(names), "wb") as listing:
            listing.writelines(b"./%s\0" % path for path in paths)
        os.lseek(names, 0, os.SEEK_SET)
        code, sent = _run(root, names, complaints, out)
        disturbed = _judge(code, os.pread(complaints, 1 << 20, 0).splitlines())
    finally:
        os.close(names)
        os.close(complaints)
    return sent, disturbed


def read(stream: IO[bytes]) -> Iterator[tuple[bytes, tarfile.TarInfo, tarfile.TarFile]]:
    """Each member with its path, and the archive it is in; the stream is read to its end.

    Raises GuestError: guest.files-cut-short, guest.bad-files.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_CHUNK, tarinfo=_Member, encoding="utf-8") as archive:
            while (member := archive.next()) is not None:
                yield plain(member.name), member, archive
                archive.members.clear()  # type: ignore[attr-defined]
    except tarfile.TarError as error:
        raise GuestError("guest.files-cut-short", f"the source's stream of files: {error}") from error
    while stream.read(_CHUNK):
        pass


class _Member(tarfile.TarInfo):
    """The library takes whatever it cannot read for the end; here only tar's own end is one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Member:
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if buf == bytes(tarfile.BLOCKSIZE):
                raise
            raise GuestError("guest.files-cut-short", f"the source's stream of files: {error}") from error


def _run(root: str, names: int, complaints: int, out: IO[bytes]) -> tuple[int, int]:
    """Pass tar's output on; returns its exit code and the bytes."""
    sent = 0
    with subprocess.Popen(
        _TAR, cwd=root, env=ENVIRONMENT, stdin=names, stdout=subprocess.PIPE, stderr=complaints, bufsize=0
    ) as process:
        # should writing fail, tar ends by itself: nobody reads it any more
        while process.stdout and (piece := process.stdout.read(_CHUNK)):
            out.write(piece)
            sent += len(piece)
    return process.returncode, sent


def _judge(code: int, complaints: list[bytes]) -> bool:
    telling = [line for line in complaints if not line.endswith((*_DISTURBED, *_HARMLESS))]
    if telling or code not in (0, 1, 2):
        why = telling[0].decode("utf-8", "replace") if telling else f"tar ended with {code}"
        raise GuestError("guest.files-unreadable", why[:500], "look at the root file system of the server")
    return any(line.endswith(_DISTURBED) for line in complaints)
