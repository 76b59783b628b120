"""Checkpoint images: room for them in memory, and how one folder of them travels."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection
from typing import IO, Any

from . import memory, places
from .disks import mounted
from .errors import GuestError
from .external import run

_CHUNK = 1 << 20
#: What a folder of images is called, what is in it, and where CRIU's link to the round before leads.
_ROUND = re.compile(r"[0-9]{1,3}|final|info", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_BEFORE = re.compile(r"\.\./[0-9]{1,3}", re.ASCII)
#: Images of one folder.
_MOST = 100_000
#: Memory that must stay free for everything else on the machine.
_SPARE = 96 << 20


def folder(unit: str, name: str | int) -> str:
    """Where a unit's images of one round lie. Raises GuestError(guest.bad-message) for a name that would lead out."""
    if "/" in unit or unit in ("", ".", "..") or ".." in str(name):
        raise GuestError("guest.bad-message", f"image folder {unit[:80]!r}")
    return os.path.join(places.IMAGES, unit, str(name))


def incoming(unit: str, name: str, expected: Collection[str]) -> str:
    """Where a folder goes that the other machine sends, of a unit that is ``expected``.

    Raises GuestError(guest.bad-message) for any other.
    """
    if unit not in expected or not _ROUND.fullmatch(name):
        raise GuestError("guest.bad-message", f"image folder {name[:80]!r} of {unit[:80]!r}")
    return folder(unit, name)


def make_room(resident: int) -> None:
    """A file system of its own in memory for units of that many bytes. Raises GuestError(guest.no-memory)."""
    if mounted(places.IMAGES):
        return
    # later rounds repeat what has changed since the first
    needed = int(resident * 1.3) + (32 << 20)
    available = memory.available()
    if available < needed + _SPARE:
        raise GuestError(
            "guest.no-memory",
            f"the images need {needed >> 20} MiB of memory, {available >> 20} MiB are available",
            "hand large units over by restart, or give the server more memory",
        )
    os.makedirs(places.IMAGES, mode=0o700, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"mode=700,size={needed}", "tmpfs", places.IMAGES])


def give_back_room() -> None:
    if mounted(places.IMAGES):
        run(["umount", "-l", places.IMAGES], check=False)
    shutil.rmtree(places.IMAGES, ignore_errors=True)


def describe(path: str) -> list[dict[str, Any]]:
    """The folder's entries: {"name", "size"} for a file, {"name", "link"} for CRIU's link to the folder before it."""
    found: list[dict[str, Any]] = []
    for entry in sorted(os.scandir(path), key=lambda each: each.name):
        if entry.is_symlink():
            found.append({"name": entry.name, "link": os.readlink(entry.path)})
        elif not entry.name.endswith((".log", ".pid")):
            found.append({"name": entry.name, "size": entry.stat().st_size})
    return found


def send(path: str, entries: list[dict[str, Any]], out: IO[bytes]) -> int:
    """The files' content, one after the other as ``entries`` tell; returns the bytes."""
    sent = 0
    for entry in entries:
        if "link" in entry:
            continue
        with open(os.path.join(path, entry["name"]), "rb") as file:
            left = entry["size"]
            while left:
                piece = file.read(min(left, _CHUNK))
                if not piece:
                    raise GuestError("guest.image-changed", f"{entry['name']} became shorter")
                out.write(piece)
                left -= len(piece)
                sent += len(piece)
    out.flush()
    return sent


def receive(path: str, told: Any, source: IO[bytes]) -> int:
    """The reverse of ``send``, with its entries as the other machine told them; a folder that is there is replaced.

    What comes is CRIU's: plain files, and its one link, to the round before. Raises GuestError: guest.bad-message for
    anything else, before anything is changed; guest.link-broken.
    """
    entries = _entries(told)
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path, mode=0o700)
    received = 0
    for name, entry in entries.items():
        target = os.path.join(path, name)
        if "link" in entry:
            os.symlink(entry["link"], target)
            continue
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            left = entry["size"]
            while left:
                piece = source.read(min(left, _CHUNK))
                if not piece:
                    raise GuestError("guest.link-broken", "the other machine stopped in the middle of an image")
                file.write(piece)
                left -= len(piece)
                received += len(piece)
    return received


def _entries(told: Any) -> dict[str, dict[str, Any]]:
    """By name, as ``describe`` tells them."""
    if not isinstance(told, list) or len(told) > _MOST:
        raise GuestError("guest.bad-message", "the images of a folder")
    entries: dict[str, dict[str, Any]] = {}
    for entry in told:
        name = entry.get("name") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in entries or not _either(entry):
            raise GuestError("guest.bad-message", f"image {str(entry)[:160]!r}")
        entries[name] = entry
    return entries


def _either(entry: dict[str, Any]) -> bool:
    """A link, or the size of a file."""
    if "link" in entry:
        link = entry["link"]
        return entry["name"] == "parent" and isinstance(link, str) and bool(_BEFORE.fullmatch(link))
    return type(entry.get("size")) is int and entry["size"] >= 0
