"""The preflight gathers what later steps need and tells what stands in the way; it changes nothing."""

from dataclasses import replace

import pytest

from liveupdate.drivers.cloud.volume_types import VolumeType
from liveupdate.errors import Failed
from liveupdate.model import JobKind, Verdict
from liveupdate.steps import preflight
from liveupdate.testing.cloud import World
from liveupdate.testing.context import MemoryContext, job

KEY = "ssh-ed25519 " + "A" * 68
INSPECT = {
    "systemd": True,
    "smbios_uuid": "original",
    "tools": dict.fromkeys(("criu", "nft", "ip", "arping", "ssh", "sshd", "tar", "fsfreeze", "blockdev"), True),
    "criu": {"ok": True},
    "memory": {"available": 1 << 30},
    "free": {"/": 10 << 30, "/boot": 1 << 30},
    "pids": {"highest": 900},
    "mounts": [{"where": "/data", "by_id": "/dev/disk/by-id/virtio-data-volume"}],
    "units": [{"name": "kv.service", "main_pid": 500, "rss": 1 << 20, "ports": [6379], "mounts": ["/data"]}],
}
TRIAL = {"ok": True, "dump_seconds": 0.2, "image_bytes": 1 << 20}


@pytest.fixture
def ready(world: World, context: MemoryContext) -> MemoryContext:
    context.results.clear()
    told = {"owner": "me", "liveupdate:host_key": KEY}
    world.servers["original"] = replace(world.servers["original"], metadata=told)
    context.guests["original"].answers = {"inspect": INSPECT, "trial": TRIAL}
    return context


def test_an_ordinary_server_passes_and_its_facts_are_there(ready: MemoryContext) -> None:
    result = preflight.STEP.apply(ready)
    assert result["verdict"] == "ok"
    assert result["host_key"] == KEY
    assert [(u["name"], u["handover"]) for u in result["units"]] == [("kv.service", "move")]
    assert result["guest"] == INSPECT
    assert result["estimate_ms"] > 0
    server = result["server"]
    assert [(v["id"], v["boot"], v["multiattach"]) for v in server["volumes"]] == [
        ("root-volume", True, False),
        ("data-volume", False, True),
    ]
    assert (server["ports"][0]["id"], server["ports"][0]["address"]) == ("own-port", "10.0.0.10")
    # of an earlier update, not of the server's owner
    assert server["metadata"] == {"owner": "me"}


def test_it_changes_nothing_and_leaves_nothing_in_the_guest(world: World, ready: MemoryContext) -> None:
    before = world.seen()
    preflight.STEP.apply(ready)
    assert world.seen() == before
    assert ready.guests["original"].calls[-1] == ("remove_agent", {})
    assert ready.ledger.lines == []


def test_what_blocks_fails_a_job_with_every_reason(world: World, ready: MemoryContext) -> None:
    world.servers["original"] = replace(world.servers["original"], status="PAUSED", locked=True)
    with pytest.raises(Failed) as told:
        preflight.STEP.apply(ready)
    assert told.value.user_fault
    assert told.value.code == "live-update.preflight.blocked"
    assert "server.active" in told.value.detail
    assert "server.unlocked" in told.value.detail
    assert told.value.remedy
    [(kind, detail)] = ready.events
    assert kind == "preflight.blocked"
    assert len(detail["findings"]) > 10


def test_what_blocks_is_the_answer_of_a_preview(world: World, ready: MemoryContext) -> None:
    ready.job = job(kind=JobKind.PREVIEW)
    world.servers["original"] = replace(world.servers["original"], locked=True)
    result = preflight.STEP.apply(ready)
    assert result["verdict"] == "block"
    assert [f["code"] for f in result["findings"] if f["verdict"] == "block"] == ["server.unlocked"]


def test_the_guest_is_left_alone_when_the_cloud_already_says_no(world: World, ready: MemoryContext) -> None:
    ready.job = job(kind=JobKind.PREVIEW)
    world.servers["original"] = replace(world.servers["original"], locked=True)
    preflight.STEP.apply(ready)
    assert ready.guests["original"].calls == []


def test_another_projects_server_does_not_exist(ready: MemoryContext) -> None:
    ready.job = job(kind=JobKind.PREVIEW, project_id="another")
    with pytest.raises(Failed) as told:
        preflight.STEP.apply(ready)
    assert told.value.code == "live-update.server.gone"


def test_a_guest_without_a_known_host_key_is_not_spoken_to(world: World, ready: MemoryContext) -> None:
    ready.job = job(kind=JobKind.PREVIEW)
    world.servers["original"] = replace(world.servers["original"], metadata={})
    result = preflight.STEP.apply(ready)
    assert [f["code"] for f in result["findings"] if f["verdict"] == "block"] == ["guest.host-key-unknown"]
    assert ready.guests["original"].calls == []


def test_a_unit_that_cannot_be_checkpointed_is_offered_a_restart(ready: MemoryContext) -> None:
    reason = {"ok": False, "reason": "Can't dump nested uts namespace", "hint": "hand it over by restart"}
    ready.guests["original"].answers = {"inspect": INSPECT, "trial": reason}
    result = preflight.STEP.apply(ready)
    assert [(u["name"], u["handover"]) for u in result["units"]] == [("kv.service", "restart")]
    assert result["verdict"] == "warn"


def test_a_type_that_the_mirror_cannot_have_is_found_beforehand(world: World, ready: MemoryContext) -> None:
    world.volume_types = {
        "ceph": VolumeType("1", "ceph", "ceph", encrypted=False, project_ids=None),
        "nfs": VolumeType("2", "nfs", "nfs", encrypted=False, project_ids=None),
    }
    ready.job = job(kind=JobKind.PREVIEW, parameters={"mirror_volume_type": "nfs"})
    blocked = [f["code"] for f in preflight.STEP.apply(ready)["findings"] if f["verdict"] == "block"]
    assert blocked == ["volume.mirror-type-backend"]


def test_a_backup_is_promised_only_where_there_is_a_service_for_it(world: World, ready: MemoryContext) -> None:
    ready.job = job(kind=JobKind.PREVIEW, parameters={"fallback": "backup"})
    blocked = [f["code"] for f in preflight.STEP.apply(ready)["findings"] if f["verdict"] == "block"]
    assert blocked == ["fallback.backup-service"]
    world.backups = {}
    assert preflight.STEP.apply(ready)["verdict"] == "ok"


def test_a_preview_tells_what_is_missing(world: World, ready: MemoryContext) -> None:
    world.paths = {"data-volume": 1}
    ready.job = job(kind=JobKind.PREVIEW, parameters={"minimum_paths": 2})
    result = preflight.STEP.apply(ready)
    blocked = [(f["code"], f["subject"]) for f in result["findings"] if f["verdict"] == Verdict.BLOCK]
    assert blocked == [("volume.paths", "data-volume")]
    assert result["minimum_paths"] == 2
    facts = {v["id"]: (v["protocol"], v["paths"]) for v in result["server"]["volumes"]}
    assert facts == {"root-volume": ("rbd", None), "data-volume": ("iscsi", 1)}


def test_a_single_path_that_nobody_forbids_is_only_told_of(world: World, ready: MemoryContext) -> None:
    world.paths = {"data-volume": 1}
    result = preflight.STEP.apply(ready)
    assert result["verdict"] == "warn"
