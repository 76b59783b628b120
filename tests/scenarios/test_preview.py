"""A preview of a real guest: finds what stands in the way, and is not felt."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.demo import inventory, jobs, servers
from lab.demo.clients import run_client
from lab.demo.preview import UNITS, preview
from lab.settings import PATIENCE

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]


@pytest.fixture(scope="module")
def guest(user: Any) -> Iterator[servers.Guest]:
    with servers.running(user, "scenario-preview", *UNITS) as guest:
        yield guest


def findings(found: dict[str, Any], code: str) -> dict[str, str]:
    return {f["subject"]: f["verdict"] for f in found["findings"] if f["code"] == code}


def test_a_preview_tells_what_moves_and_what_must_restart_and_touches_nothing(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    before, client = inventory.take(admin), run_client("tick", guest.address)
    pid = guest.ssh("systemctl show -P MainPID tick")
    found = preview(api, guest.id)
    felt = client.stop()
    assert found["state"] == "succeeded", found["reason"]
    assert found["verdict"] == "warn"
    assert {u["name"]: u["handover"] for u in found["units"]} == {
        "tick.service": "move",
        "redis-server.service": "restart",
    }
    assert findings(found, "unit.checkpoint") == {"tick.service": "ok", "redis-server.service": "warn"}
    restarted = next(u for u in found["units"] if u["handover"] == "restart")
    assert restarted["reason"], "why it cannot be moved"
    assert found["blackout_estimate_ms"] > 0
    assert (felt.errors, felt.lost) == ([], 0)
    assert felt.writes > 100
    assert inventory.left_behind(admin, before, set()) == []
    assert guest.ssh("systemctl show -P MainPID tick") == pid
    assert guest.ssh("ls -A /run/liveupdate 2>/dev/null; nft list tables; find /var/tmp -name 'trial-*'") == ""


def test_a_guest_that_does_not_let_us_in_is_a_finding(api: Any, guest: servers.Guest) -> None:
    keys, aside = "/root/.ssh/authorized_keys", "/root/.ssh/aside"
    back = "liveupdate-test-back"
    # the guest gives the key back by itself: from outside nobody could
    guest.ssh(f"systemd-run --unit={back} --on-active=60 mv {aside} {keys} && mv {keys} {aside}")
    found = preview(api, guest.id)
    servers.wait_for(lambda: servers.answers(guest.address, guest.host_key), PATIENCE, "the key is back")
    assert found["state"] == "succeeded"
    assert found["verdict"] == "block"
    [blocking] = [f for f in found["findings"] if f["verdict"] == "block"]
    assert blocking["code"] == "live-update.guest.login-refused"
    assert blocking["remedy"]


def test_an_update_that_would_take_too_long_is_refused_before_anything_is_touched(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    before = inventory.take(admin)
    job = jobs.create(api, guest.id, units=[{"name": "tick.service"}], blackout_budget_seconds=0.01)
    ended = jobs.until_ended(api, job)
    assert (ended["state"], ended["code"]) == ("undone", "live-update.preflight.blocked")
    assert "budget" in ended["reason"]
    assert ended["remedy"]
    assert {step["state"] for name, step in jobs.steps(api, job).items() if name != "preflight"} == {"pending"}
    assert inventory.left_behind(admin, before, set()) == []
