"""A real guest with /var on a volume of its own is updated under load, and comes back from its fallback as a whole."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import apt_source
from lab.demo import inventory, jobs, servers
from lab.demo.clients import run_client
from lab.settings import PATIENCE

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

NAME = "scenario-boot-set"
UNITS = [{"name": "kv.service"}, {"name": "tick.service"}]
#: Where /var and the root are, and what each of them knows of the kernel: only together they are one system.
_DISKS = "findmnt -no SOURCE / /var"
_INSTALLED = "dpkg-query -W -f '${{db:Status-Abbrev}}' linux-image-{kernel} 2>/dev/null; true"


@pytest.fixture
def guest(user: Any) -> Iterator[servers.Guest]:
    _clean(user)
    try:
        # nothing newer is on its disks: the update installs the kernel, on the root and into the lists on /var
        yield servers.boot(user, NAME)
    finally:
        _clean(user)


def _clean(user: Any) -> None:
    servers.clean_fallbacks(user)
    servers.clean(user, NAME)


def assert_var_is_on(guest: servers.Guest, volume_id: str) -> None:
    device = guest.ssh("readlink -f $(findmnt -no SOURCE /var)")
    there = guest.ssh(f"readlink -f /dev/disk/by-id/virtio-{volume_id[:20]}")
    assert device == there, f"/var is on {device}, volume {volume_id} is {there}: {guest.ssh(_DISKS, check=False)}"


def volumes_of(user: Any) -> dict[str, str]:
    """Of the server of our name: name → id of each volume."""
    attached = user.compute.volume_attachments(servers.id_of(user, NAME))
    return {user.block_storage.get_volume(a.volume_id).name: a.volume_id for a in attached}


def installed(guest: servers.Guest) -> bool:
    return guest.ssh(_INSTALLED.format(kernel=apt_source.kernel())).startswith("ii")


def ended(api: Any, answer: Any) -> None:
    """The job that was accepted, at its end."""
    assert answer.status_code == 202, answer.text
    job = jobs.until_ended(api, answer.json()["job"]["id"])
    assert job["state"] == "succeeded", jobs.told(api, job["id"])


def test_a_server_with_var_on_a_second_volume_is_updated_under_load_and_comes_back(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    var = servers.set_apart(user, guest)
    assert_var_is_on(guest, var)
    assert guest.kernel != apt_source.kernel()
    # tick's log is on /var: acknowledged means written there
    servers.start(guest, "kv", "tick", megabytes=20)
    before = inventory.take(admin)

    clients = [run_client(kind, guest.address) for kind in ("kv", "tick")]
    try:
        job = jobs.create(api, guest.id, units=UNITS, keep_fallback_days=1, blackout_budget_seconds=120)
        told = jobs.until_ended(api, job)
    finally:
        found = {client.kind: client.stop() for client in clients}
    assert told["state"] == "succeeded", jobs.told(api, job)
    assert {kind: (seen.errors, seen.lost) for kind, seen in found.items()} == dict.fromkeys(found, ([], 0))
    assert int(guest.ssh("wc -l < /var/log/tick.log")) >= found["tick"].writes
    assert guest.ssh("uname -r") == apt_source.kernel()
    assert installed(guest), "the package's state, on /var, is that of the root"

    mirrored = volumes_of(user)
    assert mirrored.keys() == {f"{NAME}-root", f"{NAME}-var", f"{NAME}-data"}
    assert var not in mirrored.values()
    assert_var_is_on(guest, mirrored[f"{NAME}-var"])
    report = jobs.report(api, job)
    assert [handed["volume_id"] for handed in report["handovers"]] == [guest.data_volume_id]
    made = {(v["kind"], v["role"], v["state"]) for v in report["volumes"]}
    assert {(kind, f"{role}{which}", state) for kind, role, state in _MADE for which in ("", f"-{var[:8]}")} == made
    frozen = {v["frozen_ms"] for v in report["volumes"] if v["kind"] == "snapshot" and v["role"].startswith("mirror")}
    assert len(frozen) == 1, "both were frozen at once"
    assert inventory.left_behind(admin, before, jobs.kept(api, job)) == []

    guest.ssh("touch /root/after-the-update /var/lib/after-the-update && sync")
    ended(api, api.post(f"/v1/fallbacks/{job}/actions", json={"action": "restore"}, raise_exc=False))
    servers.wait_for(lambda: servers.answers(guest.address, guest.host_key), PATIENCE, "ssh, by the same host key")
    assert guest.ssh("uname -r") == guest.kernel
    assert not installed(guest), "/var has come back with the root"
    assert guest.ssh("ls /root/after-the-update /var/lib/after-the-update 2>/dev/null; true") == ""
    restored = volumes_of(user)
    assert restored.keys() == mirrored.keys()
    assert restored[f"{NAME}-data"] == guest.data_volume_id
    assert not {restored[f"{NAME}-var"], restored[f"{NAME}-root"]} & set(mirrored.values())
    assert_var_is_on(guest, restored[f"{NAME}-var"])
    servers.wait_for(lambda: guest.ssh("systemctl is-active kv", check=False) == "active", PATIENCE, "the workload")

    new = servers.id_of(user, NAME)
    for one in api.get(f"/v1/fallbacks?server_id={new}").json()["fallbacks"]:
        ended(api, api.delete(f"/v1/fallbacks/{one['id']}", raise_exc=False))
    # no old volume was to die with its server but the root's: the others are their owner's
    left = inventory.left_behind(admin, before, {new, *restored.values(), mirrored[f"{NAME}-var"]})
    assert left == []


#: What an update makes of each volume of the boot set, and what becomes of it.
_MADE = (
    ("snapshot", "fallback", "kept"),
    ("volume", "fallback", "kept"),
    ("snapshot", "mirror", "deleted"),
    ("volume", "mirror", "kept"),
)
