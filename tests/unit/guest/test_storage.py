"""What a guest sees of its paths, from a made-up sysfs and what multipathd says; and when one is lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from liveupdate.guest import storage
from liveupdate.guest.errors import GuestError
from liveupdate.guest.path_watch import PathWatch

TARGET = "iqn.2026-01.test:volume"


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def session(sys: Path, number: int, portal: str, state: str = "LOGGED_IN") -> None:
    put(sys / f"class/iscsi_session/session{number}/targetname", TARGET)
    put(sys / f"class/iscsi_session/session{number}/state", state)
    address, _, port = portal.rpartition(":")
    put(sys / f"class/iscsi_connection/connection{number}:0/persistent_address", address)
    put(sys / f"class/iscsi_connection/connection{number}:0/persistent_port", port)


def disk(sys: Path, name: str, where: str, wwid: str) -> None:
    device = sys / "devices" / where
    put(device / "wwid", wwid)
    folder = sys / "block" / name
    folder.mkdir(parents=True)
    (folder / "device").symlink_to(device)


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    session(tmp_path, 1, "10.0.9.1:3260")
    session(tmp_path, 2, "fd00::2:3260", "FAILED")
    disk(tmp_path, "sda", "platform/host2/session1/target2:0:0/2:0:0:1", "naa.6001")
    disk(tmp_path, "sdb", "platform/host3/session2/target3:0:0/3:0:0:1", "naa.6001")
    disk(tmp_path, "sdc", "pci0000:00/virtio1/host0/target0:0:0/0:0:0:0", "")
    return tmp_path


def test_disks_are_known_by_target_portal_and_lun(sys: Path) -> None:
    assert [(d["device"], d["wwid"], d["target"], d["portal"], d["lun"]) for d in storage.disks(str(sys))] == [
        ("sda", "naa.6001", TARGET, "10.0.9.1:3260", 1),
        ("sdb", "naa.6001", TARGET, "[fd00::2]:3260", 1),
        ("sdc", "", "", "", 0),
    ]
    assert [s["state"] for s in storage.sessions(str(sys))] == ["LOGGED_IN", "FAILED"]


def test_who_uses_a_disk_is_a_partition_or_what_lies_above_a_map_but_not_the_map(sys: Path) -> None:
    put(sys / "block/sda/sda1/partition", "1")
    put(sys / "block/dm-0/dm/uuid", "mpath-36001")
    (sys / "block/sdb/holders").mkdir()
    (sys / "block/sdb/holders/dm-0").symlink_to(sys / "block/dm-0")
    used = {d["device"]: d["users"] for d in storage.disks(str(sys))}
    assert used == {"sda": ["sda1"], "sdb": [], "sdc": []}
    (sys / "block/dm-0/holders/dm-1").mkdir(parents=True)
    assert {d["device"]: d["users"] for d in storage.disks(str(sys))}["sdb"] == ["dm-1"]


def told(**changes: Any) -> str:
    path = {"dev": "sda", "dm_st": "active", "chk_st": "ready", "pri": 1} | changes.pop("path", {})
    made = {"uuid": "36001", "sysfs": "dm-0", "path_groups": [{"paths": [path]}]} | changes
    return json.dumps({"major_version": 0, "maps": [made]})


def test_maps_are_read_strictly() -> None:
    [made] = storage.parse_maps(told())
    assert made == {
        "uuid": "36001",
        "device": "dm-0",
        "paths": [{"device": "sda", "dm_st": "active", "chk_st": "ready"}],
    }
    assert storage.good(made["paths"][0])
    assert not storage.good({**made["paths"][0], "chk_st": "faulty"})
    assert storage.parse_maps('{"maps": []}') == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "timeout",
        "[]",
        '{"maps": 3}',
        '{"maps": [{}]}',
        told(uuid="../../etc"),
        told(sysfs="dm 0"),
        told(path_groups=None),
        told(path={"dev": 7}),
        told(path={"chk_st": "ready; rm"}),
        json.dumps({"maps": [{}] * 2000}),
    ],
)
def test_what_multipathd_would_never_say_is_refused(text: str) -> None:
    with pytest.raises(GuestError) as caught:
        storage.parse_maps(text)
    assert caught.value.code == "guest.multipath-unreadable"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("## DO NOT EDIT\nInitiatorName=iqn.1993-08.org.debian:01:abc\n", "iqn.1993-08.org.debian:01:abc"),
        ("GenerateName=yes\n", ""),
        ("InitiatorName=\n", ""),
        ("InitiatorName=iqn.x $(reboot)\n", ""),
    ],
)
def test_the_initiators_name(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "name").write_text(text)
    assert storage.initiator(str(tmp_path / "name")) == name
    assert storage.initiator(str(tmp_path / "none")) == ""


def test_a_path_that_is_lost_and_back_is_told_once_each(sys: Path) -> None:
    watch = PathWatch(str(sys))
    for _ in range(2):
        watch.look()
    session(sys, 2, "fd00::2:3260")
    for _ in range(2):
        watch.look()
    assert [(e["event"], e["portal"]) for e in watch.events] == [("lost", "[fd00::2]:3260"), ("back", "[fd00::2]:3260")]
    (sys / "class/iscsi_session/session2/state").unlink()
    (sys / "class/iscsi_session/session2/targetname").unlink()
    (sys / "class/iscsi_session/session2").rmdir()
    watch.look()
    assert len(watch.events) == 2, "a session that was ended is no loss"
