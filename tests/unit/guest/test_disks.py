"""A data file system is unmounted here before it is mounted there, and a shared disk takes writes on one side only."""

import fcntl
import struct
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from liveupdate.guest import disks, move
from liveupdate.guest.errors import GuestError
from liveupdate.guest.external import Output
from tests.unit.guest.test_move import RAW

READ_ONLY, FLUSH = 0x125D, 0x1261


class Machine:
    """``done``: what was done, in order; ``mounted``: where something is; ``failing``: the program that fails."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.mounted: set[str] = set()
        self.failing = ""
        parsed = move.parse(RAW).mounts[0]
        self.shared = replace(parsed, where=str(folder / "data"), device=str(folder / "shared"))
        self.own = replace(parsed, where=str(folder / "data/own"), device=str(folder / "own"), shared=False)
        for mount in (self.shared, self.own):
            Path(mount.device).touch()
        patch.setattr(disks, "mounted", lambda where: where in self.mounted)
        patch.setattr(disks, "run", self._run)
        patch.setattr(disks, "_users", lambda where: ["7 (vi)"])
        patch.setattr(fcntl, "ioctl", self._ioctl)

    def _run(self, argv: list[str], **_: Any) -> Output:
        self.done.append(f"{argv[0]} {Path(argv[-1]).name}")
        if argv[0] == self.failing:
            return Output(1, "busy", 0.0)
        (self.mounted.discard if argv[0] == "umount" else self.mounted.add)(argv[-1])
        return Output(0, "", 0.0)

    def _ioctl(self, handle: int, request: int, argument: Any) -> int:
        name = Path(f"/proc/self/fd/{handle}").resolve().name
        word = {(READ_ONLY, 1): "read-only", (READ_ONLY, 0): "writable"}
        value = struct.unpack("i", argument)[0] if isinstance(argument, bytes) else argument
        self.done.append(f"{name} {word.get((request, value), 'flushed')}")
        return 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_what_is_given_away_takes_no_writes_any_more(machine: Machine) -> None:
    machine.mounted = {machine.shared.where, machine.own.where}
    disks.unmount([machine.shared, machine.own], 10)
    assert machine.done == ["umount own", "umount data", "shared read-only"]


def test_a_shared_disk_takes_writes_right_before_it_is_mounted_and_not_earlier(machine: Machine) -> None:
    disks.mount([machine.own, machine.shared])
    assert machine.done == ["shared writable", "shared flushed", "mount data", "own flushed", "mount own"]


def test_what_is_mounted_is_not_touched(machine: Machine) -> None:
    machine.mounted = {machine.shared.where, machine.own.where}
    disks.mount([machine.own, machine.shared])
    assert machine.done == []


def test_a_disk_that_is_still_in_use_stays_writable_for_those_who_use_it(machine: Machine) -> None:
    machine.mounted, machine.failing = {machine.shared.where}, "umount"
    with pytest.raises(GuestError, match="vi"):
        disks.unmount([machine.shared], 10)
    assert machine.done == ["umount data"]


def test_one_that_has_gone_meanwhile_is_nobodys(machine: Machine) -> None:
    Path(machine.shared.device).unlink()
    disks.unmount([machine.shared], 10)
    with pytest.raises(GuestError) as told:
        disks.mount([machine.shared])
    assert told.value.code == "guest.mount-failed"


def test_each_moment_is_told(machine: Machine) -> None:
    told: list[str] = []
    disks.mount([machine.shared, machine.own], lambda what, mount: told.append(f"{what} {Path(mount.where).name}"))
    disks.unmount([machine.shared], 10, lambda what, mount: told.append(f"{what} {Path(mount.where).name}"))
    assert told == [
        "mounting data",
        "mounted data",
        "mounting own",
        "mounted own",
        "unmounting data",
        "unmounted data",
    ]


def test_a_device_has_come_when_its_name_was_made(machine: Machine) -> None:
    before = time.monotonic()
    assert before - 60 < disks.appeared(machine.shared) < before + 1
