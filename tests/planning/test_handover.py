"""Which way a data volume takes, and what the disk's part of the blackout was: both ways measured alike."""

from typing import Any

from liveupdate.planning import handover

SHARED = {"id": "1111", "serial": "1111", "multiattach": True, "type": "fast"}
PLAIN = {"id": "2222", "serial": "2222", "multiattach": False, "type": "ceph"}
MOUNTS = [{"where": "/data", "device": "virtio-1111"}, {"where": "/srv/1", "device": "virtio-2222"}]
TIMELINE = [
    {"name": "target attached /data", "ms": -60000},
    {"name": "frozen", "ms": 0},
    {"name": "unmounting /srv/1", "ms": 1000},
    {"name": "unmounted /srv/1", "ms": 1020},
    {"name": "unmounting /data", "ms": 1020},
    {"name": "unmounted /data", "ms": 1060},
    {"name": "target attached /srv/1", "ms": 2320},
    {"name": "granted", "ms": 2400},
    {"name": "target mounting /data", "ms": 2450},
    {"name": "target mounted /data", "ms": 2550},
    {"name": "target mounting /srv/1", "ms": 2550},
    {"name": "target mounted /srv/1", "ms": 2650},
]


def of(volume: dict[str, Any], mounts: Any = MOUNTS, timeline: Any = TIMELINE) -> dict[str, Any]:
    [told] = handover.report([volume], mounts, timeline)
    return told


def test_the_way_is_chosen_by_what_the_volume_allows_and_explained() -> None:
    assert handover.way(SHARED)[0] == "multiattach"
    assert handover.way(PLAIN)[0] == "detach-attach"
    assert "beforehand" in handover.way(SHARED)[1]
    assert "type ceph allows one server" in handover.way(PLAIN)[1]


def test_a_volume_that_was_there_beforehand_costs_only_unmount_and_mount() -> None:
    told = of(SHARED)
    assert (told["disk_ms"], told["unmount_ms"], told["attach_ms"], told["mount_ms"]) == (140, 40, 0, 100)
    assert (told["volume_id"], told["way"], told["mounts"]) == ("1111", "multiattach", ["/data"])


def test_one_that_is_brought_over_costs_that_too() -> None:
    told = of(PLAIN)
    assert (told["disk_ms"], told["unmount_ms"], told["attach_ms"], told["mount_ms"]) == (1420, 20, 1300, 100)


def test_what_the_timeline_does_not_tell_is_not_made_up() -> None:
    assert of(SHARED, timeline=TIMELINE[:-4])["disk_ms"] is None
    assert of(SHARED, mounts=[])["disk_ms"] is None
    assert of(SHARED, timeline=[])["reason"]
