"""systemd as the in-guest program knows it."""

import os
from types import SimpleNamespace

import pytest

from liveupdate.guest import units
from liveupdate.guest.errors import GuestError


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
