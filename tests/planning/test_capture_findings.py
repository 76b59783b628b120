"""What stands in the way of a capture is found before anything is touched."""

from typing import Any

import pytest

from liveupdate.model import Verdict
from liveupdate.planning.capture_findings import CaptureFacts, chosen, judge, wished

SERVER: dict[str, Any] = {
    "id": "server",
    "status": "ACTIVE",
    "task_state": "",
    "locked": False,
    "locked_reason": "",
    "flavor_id": "1",
    "flavor_name": "small",
    "local_disk": 0,
    "vcpus": 2,
    "memory": 1024,
    "ports": [{"fixed_ips": ["10.0.0.1"], "version": 4, "vnic_type": "normal"}],
    "volumes": [
        {"id": "data", "boot": False, "size": 5, "type": "fast", "servers": ["server"]},
        {"id": "root", "boot": True, "size": 3, "type": "ceph", "servers": ["server"]},
        {"id": "shared", "boot": False, "size": 9, "type": "fast", "servers": ["server", "other"]},
    ],
}
WELL = {"systemd": True, "cloud_init": True, "smbios_uuid": "SERVER"}


def blocked(*wanted: str, quota: dict[str, int] | None = None, key: str = "key", **changes: Any) -> set[str]:
    findings = judge(CaptureFacts({**SERVER, **changes}, wanted, quota or {}, key))
    return {f.code for f in findings if f.verdict == Verdict.BLOCK}


def test_nothing_stands_in_the_way_of_an_ordinary_server() -> None:
    assert blocked("data") == set()


def test_the_boot_volume_comes_first_then_the_data_volumes_as_asked_for_each_once() -> None:
    assert [v["id"] for v in chosen(SERVER, ["shared", "data", "root", "shared"])] == ["root", "shared", "data"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"status": "SHUTOFF"}, "server.active"),
        ({"task_state": "resizing"}, "server.idle"),
        ({"locked": True}, "server.unlocked"),
        ({"flavor_id": ""}, "server.flavor"),
        ({"volumes": SERVER["volumes"][:1]}, "capture.boot-volume"),
        ({"ports": []}, "port.address"),
        ({"ports": [{**SERVER["ports"][0], "vnic_type": "direct"}]}, "port.address"),
        ({"key": ""}, "guest.host-key-unknown"),
    ],
)
def test_each_obstacle_has_its_finding(changes: dict[str, Any], code: str) -> None:
    assert blocked(**changes) == {code}


def test_a_volume_must_be_on_the_server_and_on_no_other() -> None:
    assert blocked("elsewhere") == {"capture.volume"}
    assert blocked("shared") == {"capture.volume-shared"}


@pytest.mark.parametrize(
    ("quota", "enough"),
    [
        ({"gigabytes": 24}, True),  # (3 + 5) GiB: a snapshot, a copy, and a snapshot of the copy
        ({"gigabytes": 23}, False),
        ({"snapshots": 3}, False),
        ({"volumes_fast": 0}, False),
        ({"instances": 0}, False),
        ({"port": 0}, False),
    ],
)
def test_quota_counts_what_there_is_for_a_while(quota: dict[str, int], enough: bool) -> None:
    assert blocked("data", quota=quota) == (set() if enough else {"project.quota"})


def test_ephemeral_disks_are_told_to_be_left_out() -> None:
    [finding] = [f for f in judge(CaptureFacts({**SERVER, "local_disk": 2}, (), {}, "key")) if "local" in f.code]
    assert finding.verdict == Verdict.WARN


def test_an_update_that_is_to_be_captured_is_checked_for_that_beforehand() -> None:
    wish = {"capture": {"name": "golden", "volumes": ["elsewhere"]}}
    found = wished(wish, {**SERVER, "id": "server"}, {**WELL, "cloud_init": False})
    assert {f.code for f in found if f.verdict == Verdict.BLOCK} == {"capture.volume", "capture.cloud-init"}
    assert wished({}, SERVER, {}) == []
