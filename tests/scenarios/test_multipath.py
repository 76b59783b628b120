"""A server whose data disk is its own affair: iSCSI from inside the guest, over two portals, with multipath.

PostgreSQL lies on it, and four clients have it commit without pause. One path is cut in the pre-copy of the first
update, and in the cut-over of the second: no client is told of an error, and the report tells of the path.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import apt_source, iscsi, settings
from lab.demo import inside, inventory, jobs, servers
from lab.demo.clients import Running
from lab.settings import PATIENCE
from tests.scenarios.database import assert_balanced, pgbench, until_ready

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-multipath"
UNITS = [{"name": f"{name}.service"} for name in ("kv", "tick", "pg")]
PORTAL = settings.ISCSI_ADDRESSES[1]
#: Seconds that a path stays away: longer than the guest's time-outs, and the blackout.
AWAY = 45.0


@pytest.fixture(scope="module")
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    servers.clean(user, NAME)
    made = servers.boot(user, NAME, image="debian-12-pending", data_type=None)
    with inside.attached(user, made):
        try:
            servers.start(made, "kv", "tick", "pg", megabytes=20)
            until_ready(made)
            yield made
        finally:
            servers.clean(user, NAME)


@pytest.mark.parametrize(("step", "to_newest"), [("pre_copy", True), ("cut_over", False)])
def test_a_path_that_is_cut_is_told_of_and_nobody_notices(
    api: Any,
    user: Any,
    admin: Any,
    guest: servers.Guest,
    clients: list[Running],
    step: str,
    to_newest: bool,
) -> None:
    assert inside.good_paths(guest) == 2, "both paths work before the update"
    before, original = inventory.take(admin), servers.id_of(user, NAME)
    with pgbench(guest.address):
        job = jobs.create(
            api,
            original,
            units=UNITS,
            kernel="newest" if to_newest else f"linux-image-{guest.kernel}",
            keep_fallback_days=0,
            blackout_budget_seconds=120,
            minimum_paths=2,
        )
        with cut_in(lambda: jobs.until_step(api, job, step)):
            ended = jobs.until_ended(api, job)
    assert ended["state"] == "succeeded", f"{ended['reason']} ({ended['code']})"
    report = jobs.report(api, job)
    assert guest.ssh("uname -r") == (apt_source.kernel() if to_newest else guest.kernel)
    assert guest.ssh("dmesg | grep -c 'I/O error, dev dm-' || true") == "0", guest.ssh("dmesg | tail -n 40")
    assert guest.ssh("findmnt -rn -o FSTYPE,OPTIONS /data").startswith("ext4 rw")
    told = {(event["event"], event["portal"]) for event in report["path_events"]}
    assert ("lost", f"{PORTAL}:{settings.ISCSI_PORT}") in told, report["path_events"]
    [paths] = [each for each in report["paths"] if each["attached_by"] == "guest"]
    assert paths["before"] == 2, report["paths"]
    servers.wait_for(lambda: inside.good_paths(guest) == 2, PATIENCE, "both paths to work again")
    names = guest.ssh("sed -n s/^InitiatorName=//p /etc/iscsi/initiatorname.iscsi")
    assert names.endswith(servers.id_of(user, NAME).replace("-", "")), "an initiator name of its own"
    assert [c.kind for c in clients if c.process.poll() is not None] == [], "clients that lost their connection"
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []


def test_no_client_lost_its_connection_or_an_acknowledged_write(clients: list[Running], guest: servers.Guest) -> None:
    for client in clients:
        findings = client.stop()
        assert (findings.errors, findings.lost) == ([], 0), client.kind
        assert findings.writes > 1000
    clients[:] = []
    assert_balanced(guest)


def test_a_server_that_boots_anew_has_its_disk_over_both_paths(guest: servers.Guest) -> None:
    boot = servers.boot_id(guest)
    # from inside: at a reboot of its own, Nova deletes the server's attachments that it has not made
    guest.ssh("systemctl reboot", check=False)
    servers.wait_for(lambda: servers.boot_id(guest) not in ("", boot), PATIENCE, "the reboot")
    servers.wait_for(lambda: inside.good_paths(guest) == 2, PATIENCE, "both paths after a boot")


@contextmanager
def cut_in(begun: Callable[[], None]) -> Iterator[None]:
    """Once ``begun`` returns, the second portal is cut for a while."""
    trouble: list[BaseException] = []

    def cut() -> None:
        try:
            begun()
            iscsi.cut(PORTAL)
            time.sleep(AWAY)
        except BaseException as error:  # the test must know
            trouble.append(error)
        finally:
            iscsi.mend(PORTAL)

    thread = threading.Thread(target=cut)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not trouble, trouble
