"""The method surrogate on real guests: whatever happens, the clients that hold one connection never notice but a pause.

One server and its clients go through all of it, in this order; every test leaves them serving for the next.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from lab import apt_source, processes
from lab.demo import inventory, jobs, servers, service
from lab.demo.clients import Running
from lab.settings import PATIENCE
from liveupdate.guest import places
from tests.scenarios.database import assert_balanced, pgbench, until_ready

pytestmark = [
    pytest.mark.lab,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-move"
UNITS = [{"name": "kv.service"}, {"name": "tick.service"}]
MEGABYTES = 60
#: No word passes between the agents any more, neither way or not out of here, whichever of them has called the other.
_OUT = "chain out {\ntype filter hook output priority 0\ntcp dport 7022 drop\ntcp sport 7022 drop\n}\n"
_IN = "chain in {\ntype filter hook input priority 0\ntcp sport 7022 drop\ntcp dport 7022 drop\n}\n"
CUT = {
    way: f"nft -f - <<< 'table inet scenario {{\n{chains}}}'"
    for way, chains in (("both ways", _OUT + _IN), ("one way", _OUT))
}


@contextmanager
def serving(user: Any, name: str, megabytes: int) -> Iterator[servers.Guest]:
    servers.clean(user, name)
    try:
        # its newer kernel is installed: a copy boots it, and the updates need not download it
        guest = servers.boot(user, name, image="debian-12-pending")
        servers.start(guest, "kv", "tick", megabytes=megabytes)
        yield guest
    finally:
        servers.clean(user, name)


@pytest.fixture(scope="module")
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    with serving(user, NAME, MEGABYTES) as guest:
        yield guest


@pytest.fixture(autouse=True)
def served_throughout(clients: list[Running], guest: servers.Guest) -> Iterator[None]:
    """A client ends with its first error, and has something acknowledged all the time but in a blackout."""
    yield
    assert [c.kind for c in clients if c.process.poll() is not None] == [], "clients that lost their connection"
    assert guest.ssh("systemctl is-active kv tick") == "active\nactive"


def update(api: Any, user: Any, name: str = NAME, **parameters: Any) -> str:
    # how long a blackout is depends on the machine that the tests run on
    common = {"units": UNITS, "keep_fallback_days": 0, "blackout_budget_seconds": 120}
    return jobs.create(api, servers.id_of(user, name), **(common | parameters))


@contextmanager
def as_before(user: Any, admin: Any, guest: servers.Guest) -> Iterator[None]:
    """The same server runs the same processes, and the cloud holds what it held."""
    before, server = inventory.take(admin), servers.id_of(user, guest.name)
    pid = guest.ssh("systemctl show -P MainPID kv tick")
    yield
    assert servers.id_of(user, guest.name) == server
    assert guest.ssh("systemctl show -P MainPID kv tick") == pid, "processes were started anew"
    assert inventory.left_behind(admin, before, set()) == []
    assert (
        guest.ssh("ls -A /run/liveupdate 2>/dev/null; ls -d /etc/liveupdate-guard 2>/dev/null; nft list tables") == ""
    )
    assert len(guest.ssh("ip -4 -o address show scope global").splitlines()) == 1


def test_a_workload_that_is_not_well_on_the_surrogate_goes_back(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        sick = [{"name": "kv.service", "health": [{"kind": "tcp", "port": 1}]}, {"name": "tick.service"}]
        job = update(api, user, units=sick)
        jobs.until_step(api, job, "pre_copy")
        copy = jobs.shell(user, guest, job, "surrogate")
        assert copy("hostname; cat /etc/machine-id") == guest.ssh("hostname; cat /etc/machine-id")
        assert copy("systemctl is-active kv tick data.mount; true") == "inactive\ninactive\ninactive"
        assert f" {guest.address}/" not in copy("ip -4 -o address show")
        ended = jobs.until_ended(api, job)
        assert (ended["state"], ended["code"]) == ("undone", "live-update.probe.not-well"), ended["reason"]
        assert jobs.steps(api, job)["cut_over"]["state"] == "undone"
        assert guest.ssh("uname -r") == guest.kernel


@pytest.mark.long
def test_a_cancel_is_heard_while_criu_looks_at_the_workload_which_goes_on_unharmed(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user)
        jobs.until_step(api, job, "pre_copy")
        guest.ssh("for i in $(seq 3000); do pgrep -x criu >/dev/null && exit; sleep 0.1; done; exit 1")
        for _ in range(2):
            jobs.act(api, job, "cancel")
        servers.wait_for(lambda: jobs.show(api, job)["state"] in ("undoing", "cancelled"), 15, "the cancel is heard")
        ended = jobs.until_ended(api, job)
        assert ended["state"] == "cancelled", jobs.told(api, job)


@pytest.mark.long
def test_a_surrogate_that_dies_in_the_cut_over_is_given_up(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user)
        jobs.until_step(api, job, "cut_over")
        signal_hypervisor_of(jobs.surrogate(api, job), signal.SIGKILL)  # as if its host had lost power
        assert_undone(api, job, guest)


@pytest.mark.long
@pytest.mark.parametrize("way", CUT)
def test_guests_cut_from_each_other_in_the_cut_over_go_on_where_they_were(
    way: str, api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user)
        jobs.until_step(api, job, "cut_over")
        original = jobs.shell(user, guest, job, "management")
        original(until("frozen") + CUT[way])
        original(until("resumed") + "nft delete table inet scenario")
        assert_undone(api, job, guest)


@pytest.mark.long
def test_a_surrogate_that_freezes_in_the_cut_over_and_wakes_later_never_serves(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user)
        sleep_through_the_cut_over(api, user, guest, job)
        assert_undone(api, job, guest)


@pytest.mark.long
def test_a_worker_killed_in_the_cut_over_loses_nothing_and_a_moved_workload_moves_back(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user, confirm=True)
        jobs.until_step(api, job, "cut_over")
        kill_worker()
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", PATIENCE, "the hold")
        assert guest.ssh("uname -r") == apt_source.kernel(), "the workload's address is the surrogate's now"
        jobs.act(api, job, "rollback")
        assert_undone(api, job, guest)


@pytest.mark.long
def test_a_way_back_that_fails_leaves_the_workload_where_it_serves(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    with as_before(user, admin, guest):
        job = update(api, user, confirm=True)
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", 6 * PATIENCE, "the hold")
        source = jobs.shell(user, guest, job, "surrogate")
        with ThreadPoolExecutor(1) as pool:
            # it waits there already when the moment comes
            cut = pool.submit(
                source, until("frozen") + CUT["both ways"] + "\n" + until("resumed") + "nft delete table inet scenario"
            )
            jobs.act(api, job, "rollback")
            cut.result()
        servers.wait_for(lambda: jobs.show(api, job)["step"] == "hold", PATIENCE, "the hold, again")
        assert guest.ssh("uname -r") == apt_source.kernel()
        jobs.act(api, job, "rollback")
        assert_undone(api, job, guest)


def test_kernel_updated_with_a_database_under_load_on_its_data_volume(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    servers.start(guest, "pg")
    until_ready(guest)
    before, original = inventory.take(admin), servers.id_of(user, NAME)
    with pgbench(guest.address):
        job = update(api, user, units=[*UNITS, {"name": "pg.service"}])
        ended = jobs.until_ended(api, job)
    assert ended["state"] == "succeeded", ended["reason"]
    told = jobs.report(api, job)
    assert {u["name"]: u["handover"] for u in told["units"]} == dict.fromkeys(
        ("kv.service", "tick.service", "pg.service"), "move"
    )
    assert guest.ssh("uname -r") == apt_source.kernel()
    assert servers.id_of(user, NAME) != original
    assert (told["kernel_before"], told["kernel_after"]) == (guest.kernel, apt_source.kernel())
    assert told["blackout_ms"] > 0
    [blackout] = told["blackouts"]
    assert (blackout["ms"], blackout["measured_by"]) == (told["blackout_ms"], "original")
    assert told["package_changes"] is not None, "the packages before the update were not noted on the surrogate"
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []
    assert_balanced(guest)
    guest.ssh("systemctl disable --now pg")


@pytest.mark.long
def test_an_updated_server_is_updated_again_to_the_other_kernel(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    before, first = inventory.take(admin), servers.id_of(user, NAME)
    job = update(api, user, kernel=f"linux-image-{guest.kernel}")
    ended = jobs.until_ended(api, job)
    assert ended["state"] == "succeeded", ended["reason"]
    assert servers.id_of(user, NAME) != first
    assert guest.ssh("uname -r") == guest.kernel
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []


@pytest.mark.long
def test_a_worker_killed_in_every_step_loses_and_leaves_nothing(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    before, first = inventory.take(admin), servers.id_of(user, NAME)
    job = update(api, user)
    for step in jobs.steps(api, job):
        jobs.until_step(api, job, step)
        kill_worker()
    ended = jobs.until_ended(api, job)
    assert ended["state"] == "succeeded", ended["reason"]
    assert servers.id_of(user, NAME) != first
    assert guest.ssh("uname -r") == apt_source.kernel()
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []


def test_no_client_lost_its_connection_or_an_acknowledged_write(clients: list[Running], guest: servers.Guest) -> None:
    written = {}
    for client in clients:
        findings = client.stop()
        assert (findings.errors, findings.lost) == ([], 0), client.kind
        assert findings.writes > 1000
        written[client.kind] = findings.writes
    assert int(guest.ssh("wc -l < /var/log/tick.log")) >= written["tick"]
    # the fixture wants clients that run
    clients[:] = []


def test_systemd_cares_for_a_moved_unit_as_for_one_it_started(guest: servers.Guest) -> None:
    assert "lines of one client" in guest.ssh("journalctl -b -u tick -o cat"), "what it prints after the move"
    moved = guest.ssh("systemctl show -P MainPID tick; kill -9 $(systemctl show -P MainPID tick)")
    servers.wait_for(lambda: guest.ssh("systemctl show -P NRestarts tick") != "0", PATIENCE, "Restart=on-failure")
    assert guest.ssh("systemctl show -P MainPID tick") != moved


def assert_undone(api: Any, job: str, guest: servers.Guest) -> None:
    ended = jobs.until_ended(api, job)
    assert ended["state"] == "undone", ended["reason"]
    assert guest.ssh("uname -r") == guest.kernel


def signal_hypervisor_of(server: str, number: signal.Signals) -> None:
    found = subprocess.run(["pgrep", "--full", f"qemu-system.*-uuid {server}"], capture_output=True, text=True)
    pids = [int(pid) for pid in found.stdout.split()]
    assert pids, f"no QEMU process of server {server}"
    for pid in pids:
        os.kill(pid, number)


def sleep_through_the_cut_over(api: Any, user: Any, guest: servers.Guest, job: str) -> None:
    """The surrogate freezes when the original has, and wakes when that one has resumed."""
    jobs.until_step(api, job, "cut_over")
    original, asleep = jobs.shell(user, guest, job, "management"), jobs.surrogate(api, job)
    original(until("frozen"))
    signal_hypervisor_of(asleep, signal.SIGSTOP)
    original(until("resumed"))
    signal_hypervisor_of(asleep, signal.SIGCONT)


def kill_worker() -> None:
    """And have another one take over, once the lease has run out."""
    os.killpg(processes.pid("liveupdate"), signal.SIGKILL)
    service.start()


def until(phase: str) -> str:
    """Shell words that wait until the move has entered this phase there."""
    return f'until grep -qs \'"name": "{phase}"\' {places.JOURNAL}; do sleep 0.02; done; '
