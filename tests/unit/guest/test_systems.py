"""Each machine has the file systems of its boot set mounted, and from disks of its own."""

from typing import Any

import pytest

from liveupdate.guest import move, systems
from liveupdate.guest.errors import GuestError
from tests.unit.guest.test_move import RAW

VAR = {"where": "/var", "serial": "0123456789abcdef0123"}
BY_ID = f"/dev/disk/by-id/virtio-{VAR['serial']}"


def require(monkeypatch: pytest.MonkeyPatch, *mounts: tuple[str, str]) -> None:
    told: list[dict[str, Any]] = [{"where": where, "by_id": by_id} for where, by_id in mounts]
    monkeypatch.setattr(systems, "mounts", lambda: told)
    systems.require(move.parse({**RAW, "systems": [VAR]}).systems)


@pytest.mark.parametrize("disk", [BY_ID, f"{BY_ID}-part3"])
def test_one_that_is_mounted_from_its_own_disk_is_fine(monkeypatch: pytest.MonkeyPatch, disk: str) -> None:
    require(monkeypatch, ("/", "/dev/disk/by-id/virtio-root"), ("/var", disk))


@pytest.mark.parametrize(
    "mounts",
    [
        [],
        [("/var", "/dev/disk/by-id/virtio-another")],
        [("/var", "")],
        [("/var", BY_ID), ("/var", "/dev/disk/by-id/virtio-hides-it")],
        [("/srv", BY_ID)],
    ],
    ids=["not mounted", "another disk", "no name", "hidden", "elsewhere"],
)
def test_anything_else_is_refused(monkeypatch: pytest.MonkeyPatch, mounts: list[tuple[str, str]]) -> None:
    with pytest.raises(GuestError) as caught:
        require(monkeypatch, *mounts)
    assert caught.value.code == "guest.system-missing"
    assert "/var" in caught.value.detail


def test_a_worker_of_an_older_release_names_none() -> None:
    assert move.parse(RAW).systems == ()


@pytest.mark.parametrize("bad", [{"where": "/", "serial": "x"}, {"where": "var", "serial": "x"}, {"where": "/var"}])
def test_what_cannot_be_is_refused(bad: dict[str, str]) -> None:
    with pytest.raises(GuestError, match=r"guest\.bad-move"):
        move.parse({**RAW, "systems": [bad]})
