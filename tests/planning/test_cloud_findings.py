"""What is found wrong with a server before its update begins."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from liveupdate.drivers.cloud.volume_types import VolumeType
from liveupdate.model import Verdict
from liveupdate.planning.cloud_findings import CloudFacts, judge

BOOT = {"id": "root", "boot": True, "status": "in-use", "servers": ["original"], "size": 3, "multiattach": False}
DATA = {"id": "data", "boot": False, "status": "in-use", "servers": ["original"], "size": 1, "multiattach": True}
PORT = {"id": "port", "fixed_ips": ["10.0.0.10"], "version": 4, "vnic_type": "normal"}
SERVER = {
    "project_id": "mine",
    "status": "ACTIVE",
    "task_state": "",
    "locked": False,
    "locked_reason": "",
    "flavor_id": "flavor",
    "flavor_name": "guest",
    "vcpus": 2,
    "memory": 1024,
    "local_disk": 0,
    "extra_specs": {},
    "volumes": [BOOT, DATA],
    "ports": [PORT],
}
FINE = CloudFacts(SERVER, {"instances": 1, "gigabytes": 9, "snapshots": 2, "port": 2}, ["away"], "", "key")


def changed(change: Callable[[Any], None]) -> CloudFacts:
    server = copy.deepcopy(SERVER)
    change(server)
    return replace(FINE, server=server)


def wrong(facts: CloudFacts) -> dict[str, Verdict]:
    return {f.code: f.verdict for f in judge(facts) if f.verdict != Verdict.OK}


def test_an_ordinary_server_passes_every_check() -> None:
    assert wrong(FINE) == {}
    assert len(judge(FINE)) > 10


def test_ephemeral_and_swap_disks_are_new_on_the_surrogate_and_told_of() -> None:
    assert wrong(changed(lambda s: s.update(local_disk=4))) == {"server.local-disk": Verdict.WARN}


def test_a_root_disk_on_the_servers_host_is_no_hindrance_and_told_of() -> None:
    assert wrong(changed(lambda s: s.update(image_id="debian", root_disk=3, volumes=[DATA]))) == {
        "server.local-root": Verdict.WARN
    }


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("server.active", lambda s: s.update(status="SHUTOFF")),
        ("server.idle", lambda s: s.update(task_state="migrating")),
        ("server.unlocked", lambda s: s.update(locked=True)),
        ("server.flavor", lambda s: s.update(flavor_id="")),
        ("server.devices", lambda s: s.update(extra_specs={"pci_passthrough:alias": "gpu:1"})),
        ("volume.boot", lambda s: s.update(volumes=[DATA])),
        ("volume.boot-status", lambda s: s["volumes"][0].update(servers=["original", "other"])),
        ("volume.data-shared", lambda s: s["volumes"][1].update(servers=["original", "other"])),
        ("port.one", lambda s: s.update(ports=[])),
        ("port.one", lambda s: s.update(ports=[PORT, PORT])),
        ("port.address", lambda s: s["ports"][0].update(fixed_ips=["10.0.0.10", "10.0.0.11"])),
        ("port.address", lambda s: s["ports"][0].update(version=6)),
        ("port.kind", lambda s: s["ports"][0].update(vnic_type="direct")),
    ],
)
def test_what_stands_in_the_way_blocks_with_code_and_remedy(code: str, change: Callable[[Any], None]) -> None:
    facts = changed(change)
    assert wrong(facts) == {code: Verdict.BLOCK}
    found = next(f for f in judge(facts) if f.verdict == Verdict.BLOCK)
    assert found.detail
    assert found.remedy


@pytest.mark.parametrize("name", ["instances", "gigabytes", "snapshots", "port"])
def test_a_quota_too_small_blocks_with_the_numbers(name: str) -> None:
    facts = replace(FINE, quota_left={**FINE.quota_left, name: FINE.quota_left[name] - 1})
    assert wrong(facts) == {"project.quota": Verdict.BLOCK}
    assert any(name in f.detail for f in judge(facts))


def test_the_quota_is_counted_in_all_and_by_volume_type() -> None:
    types = {"volumes_fast": 0, "gigabytes_slow": 5}
    facts = changed(lambda s: s["volumes"][0].update(type="slow"))
    facts = replace(facts, quota_left=types, mirror_type_name="fast", mirror_type=FAST, boot_types={"slow": SLOW})
    [told] = [f.detail for f in judge(facts) if f.code == "project.quota"]
    assert told == "gigabytes_slow: 6 needed, 5 left; volumes_fast: 1 needed, 0 left"


def test_a_fallback_of_backups_counts_as_backups() -> None:
    facts = replace(FINE, backup_offered=True, quota_left={"snapshots": 1, "gigabytes": 6, "backups": 0})
    [told] = [f.detail for f in judge(facts) if f.code == "project.quota"]
    assert told == "backups: 1 needed, 0 left"


def test_a_backup_without_a_backup_service_blocks() -> None:
    assert wrong(replace(FINE, backup_offered=False)) == {"fallback.backup-service": Verdict.BLOCK}
    assert wrong(replace(FINE, backup_offered=True)) == {}


SLOW = VolumeType("1", "slow", "ceph", encrypted=False, project_ids=None)
FAST = VolumeType("2", "fast", "ceph", encrypted=False, project_ids=None)


@pytest.mark.parametrize(
    ("mirror_type", "code"),
    [
        (FAST, None),
        (SLOW, None),
        (replace(FAST, backend=""), None),
        (replace(FAST, project_ids=frozenset({"mine"})), None),
        (None, "volume.mirror-type"),
        (replace(FAST, project_ids=frozenset({"another"})), "volume.mirror-type"),
        (replace(FAST, backend="nfs"), "volume.mirror-type-backend"),
        (replace(FAST, encrypted=True), "volume.mirror-type-encryption"),
    ],
)
def test_the_mirrors_type_must_be_the_projects_and_on_the_boot_volumes_back_end(
    mirror_type: VolumeType | None, code: str | None
) -> None:
    facts = replace(FINE, mirror_type_name="fast", mirror_type=mirror_type, boot_types={"slow": SLOW})
    assert wrong(facts) == ({code: Verdict.BLOCK} if code else {})
    assert all(f.remedy for f in judge(facts) if f.verdict == Verdict.BLOCK)


@pytest.mark.parametrize(
    ("kind", "verdicts"),
    [
        (replace(SLOW, encrypted=True), {"volume.encrypted": Verdict.WARN}),
        (SLOW, {"volume.encrypted": Verdict.WARN, "volume.encryption-type": Verdict.BLOCK}),
        (None, {"volume.encrypted": Verdict.WARN, "volume.encryption-type": Verdict.BLOCK}),
    ],
)
def test_an_encrypted_boot_volume_is_copied_onto_its_own_type_or_not_at_all(
    kind: VolumeType | None, verdicts: dict[str, Verdict]
) -> None:
    facts = changed(lambda s: s["volumes"][0].update(encrypted=True, type="slow"))
    assert wrong(replace(facts, boot_types={"slow": kind})) == verdicts


def test_no_room_blocks_with_the_reasons() -> None:
    facts = replace(FINE, hosts=[], why_not="2 × without room")
    assert wrong(facts) == {"placement.room": Verdict.BLOCK}
    assert any("2 × without room" in f.detail for f in judge(facts))


def test_an_unknown_host_key_blocks() -> None:
    assert wrong(replace(FINE, host_key="")) == {"guest.host-key-unknown": Verdict.BLOCK}


def test_a_data_volume_for_one_server_only_is_a_warning() -> None:
    facts = changed(lambda s: s["volumes"][1].update(multiattach=False))
    assert wrong(facts) == {"volume.handover": Verdict.WARN}


def test_the_mirrors_type_must_suit_every_volume_of_the_boot_set() -> None:
    elsewhere = replace(SLOW, id="3", name="elsewhere", backend="nfs")
    facts = replace(FINE, mirror_type_name="fast", mirror_type=FAST, boot_types={"slow": SLOW, "elsewhere": elsewhere})
    assert wrong(facts) == {"volume.mirror-type-backend": Verdict.BLOCK}


def test_each_encrypted_volume_of_the_boot_set_is_copied_onto_its_own_type_or_not_at_all() -> None:
    facts = changed(lambda s: s["volumes"][1].update(boot=True, root=False, encrypted=True, type="slow"))
    found = wrong(replace(facts, quota_left={}, boot_types={"slow": SLOW}))
    assert found == {"volume.encrypted": Verdict.WARN, "volume.encryption-type": Verdict.BLOCK}
    found = wrong(replace(facts, quota_left={}, boot_types={"slow": replace(SLOW, encrypted=True)}))
    assert found == {"volume.encrypted": Verdict.WARN}
