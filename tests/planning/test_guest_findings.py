"""What a guest's facts lead to: which units are the workload, how they go over, what stands in the way."""

from typing import Any

import pytest

from liveupdate.model import Verdict
from liveupdate.planning import estimate, guest_findings, units

MIB = 1 << 20
GOOD = {"ok": True, "reason": "", "hint": "", "dump_seconds": 0.5, "image_bytes": 200 * MIB}
BAD = {"ok": False, "reason": "Can't dump nested userns", "hint": "hand it over by restart", "dump_seconds": 0.0}
DATA = {"id": "volume-1", "boot": False, "serial": "0123456789abcdef0123", "multiattach": True}
BOOT = {"id": "volume-0", "boot": True, "serial": "ffff", "multiattach": False}


def unit(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "main_pid": 400, "rss": 210 * MIB, "ports": [6379], "mounts": ["/data"], **more}


def guest(*running: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "systemd": True,
        "tools": dict.fromkeys(guest_findings._TOOLS, True),
        "criu": {"ok": True, "version": "3.17.1", "why": ""},
        "smbios_uuid": "11111111-1111-4111-8111-111111111111",
        "memory": {"total": 1500 * MIB, "available": 1200 * MIB},
        "free": {"/": 1400 * MIB, "/boot": 1400 * MIB},
        "mounts": [{"where": "/data", "by_id": f"/dev/disk/by-id/virtio-{DATA['serial']}"}],
        "pids": {"maximum": 4194304, "highest": 900},
        "units": list(running),
        **more,
    }


def worst(found: list[Any]) -> dict[str, str]:
    return {f.code: str(f.verdict) for f in found if f.verdict != Verdict.OK}


def judge(
    seen: dict[str, Any], trials: dict[str, Any], wanted: list[Any] | None = None, **asked: Any
) -> dict[str, str]:
    decided = units.decide(seen, trials, wanted or [])
    return worst(guest_findings.judge(seen, trials, decided, [BOOT, DATA], asked))


def test_a_healthy_guest_has_nothing_in_its_way() -> None:
    assert judge(guest(unit("kv.service")), {"kv.service": GOOD}) == {}


def test_the_workload_is_what_runs_and_is_not_the_systems_own() -> None:
    running = [
        "kv.service",
        "ssh.service",
        "systemd-journald.service",
        "getty@tty1.service",
        "dbus.service",
        "nginx.service",
    ]
    seen = guest(*(unit(name) for name in running))
    assert units.candidates(seen, [], "") == ["kv.service", "nginx.service"]


def test_the_owners_metadata_and_then_the_request_say_otherwise() -> None:
    seen = guest(unit("kv.service"), unit("nginx.service"))
    assert units.candidates(seen, [], "nginx, kv.service") == ["nginx.service", "kv.service"]
    wanted = [{"name": "kv.service"}, {"name": "nginx.service", "handover": "leave"}]
    assert units.candidates(seen, wanted, "nginx") == ["kv.service"]


@pytest.mark.parametrize(
    "hostile", ["../x.service", "a b.service", "x.service\nUser=root", "-x", "$(id).service", "x" * 300]
)
def test_a_hostile_name_is_no_unit(hostile: str) -> None:
    assert units.candidates(guest(unit(hostile)), [], hostile) == []


def test_a_unit_that_can_be_dumped_moves_another_is_restarted_and_says_why() -> None:
    seen = guest(unit("kv.service"), unit("redis-server.service"))
    moved, restarted = units.decide(seen, {"kv.service": GOOD, "redis-server.service": BAD}, [])
    assert (moved["handover"], moved["reason"]) == ("move", "")
    assert (restarted["handover"], restarted["reason"]) == ("restart", "Can't dump nested userns")
    assert (moved["health"], moved["ports"]) == ([], [6379])


def test_what_cannot_be_moved_warns_and_blocks_only_if_moving_was_demanded() -> None:
    seen = guest(unit("redis-server.service"))
    trials = {"redis-server.service": BAD}
    assert judge(seen, trials) == {"unit.checkpoint": "warn"}
    demanded = [{"name": "redis-server.service", "handover": "move"}]
    assert judge(seen, trials, demanded) == {"unit.checkpoint": "block"}


@pytest.mark.parametrize(
    ("wrong", "code", "verdict"),
    [
        ({"systemd": False}, "guest.systemd", "block"),
        ({"tools": {}}, "guest.tools", "block"),
        ({"criu": {"ok": False, "why": "no soft-dirty"}}, "guest.criu", "block"),
        ({"smbios_uuid": ""}, "guest.smbios", "block"),
        ({"memory": {"available": 100 * MIB}}, "guest.memory", "warn"),
        ({"free": {"/": 10 * MIB, "/boot": 900 * MIB}}, "guest.disk", "block"),
        ({"mounts": []}, "volume.mounted", "warn"),
        ({"pids": {"highest": 4_100_000}}, "guest.pids", "block"),
    ],
)
def test_what_is_missing_is_found(wrong: dict[str, Any], code: str, verdict: str) -> None:
    assert judge(guest(unit("kv.service"), **wrong), {"kv.service": GOOD}) == {code: verdict}


def test_a_blackout_over_the_budget_blocks() -> None:
    seen, trials = guest(unit("kv.service")), {"kv.service": GOOD}
    assert judge(seen, trials, blackout_budget_seconds=60) == {}
    assert judge(seen, trials, blackout_budget_seconds=1) == {"blackout.budget": "block"}


def test_the_estimate_grows_with_what_is_dumped_restarted_and_detached() -> None:
    moved, restarted = {"name": "kv", "handover": "move"}, {"name": "web", "handover": "restart"}
    base = estimate.blackout_ms([moved], {"kv": GOOD}, [BOOT])
    assert estimate.blackout_ms([moved], {"kv": {**GOOD, "dump_seconds": 1.0}}, [BOOT]) > base
    assert estimate.blackout_ms([moved, restarted], {"kv": GOOD}, [BOOT]) > base
    single = estimate.blackout_ms([moved], {"kv": GOOD}, [BOOT, DATA])
    assert base < single < estimate.blackout_ms([moved], {"kv": GOOD}, [BOOT, {**DATA, "multiattach": False}])
