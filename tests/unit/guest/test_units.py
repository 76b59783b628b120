"""systemd as the in-guest program knows it."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from liveupdate.guest import adoption, units
from liveupdate.guest.errors import GuestError, describe


@pytest.mark.parametrize(("left", "code"), [(4 << 20, "guest.disk-full"), (40 << 20, "guest.systemd-failed")])
def test_units_that_systemd_refuses_to_load_since_run_is_full_are_told_as_that(
    monkeypatch: pytest.MonkeyPatch, left: int, code: str
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise GuestError("guest.systemd-failed", "Failed to reload daemon: Refusing to reload")

    monkeypatch.setattr(units, "run", refused)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=left >> 12, f_frsize=4096))
    with pytest.raises(GuestError) as caught:
        units.reload()
    assert caught.value.code == code


def test_a_reload_that_was_refused_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else a unit would start from images that are older than its files."""
    answers = [GuestError("guest.disk-full", "/run is full"), None]

    def reload() -> None:
        if error := answers.pop(0):
            raise error

    monkeypatch.setattr(units, "DROP_INS", str(tmp_path))
    monkeypatch.setattr(units, "reload", reload)
    units.write_drop_in("kv.service", "restore", "[Service]\n")
    with pytest.raises(GuestError):
        adoption.forget(["kv.service"])
    adoption.forget(["kv.service"])
    assert (answers, list(tmp_path.iterdir())) == ([], [])


def test_a_drop_in_that_finds_no_room_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(units, "DROP_INS", str(tmp_path))
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space") as caught:
        units.write_drop_in("kv.service", "away", "[Unit]\n")
    assert describe(caught.value)["detail"] == f"no space left for {tmp_path}/kv.service.d/zz-liveupdate-away.conf"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
