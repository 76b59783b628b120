"""A running server under load becomes a golden image and notices nothing; two servers from it are new ones.

The server's newer kernel is installed and not booted yet: the image boots it, as after an update.
"""

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

NAME, IMAGE = "scenario-capture", "scenario-golden"


@pytest.fixture
def guest(user: Any, api: Any) -> Iterator[servers.Guest]:
    servers.clean(user, NAME)
    try:
        guest = servers.boot(user, NAME, image="debian-12-pending")
        servers.start(guest, "kv")
        yield guest
    finally:
        for name in new_names():
            servers.clean(user, name)
        for image in images(api):
            ended(api, api.delete(f"/v1/images/{image['id']}", raise_exc=False))
        servers.clean(user, NAME)


def new_names() -> list[str]:
    return [f"{NAME}-new-{number}" for number in (1, 2)]


def images(api: Any) -> list[dict[str, Any]]:
    return [image for image in api.get("/v1/images").json()["images"] if image["name"] == IMAGE]


def ended(api: Any, answer: Any) -> dict[str, Any]:
    """The report of the job that was accepted, at its end."""
    assert answer.status_code == 202, answer.text
    job = jobs.until_ended(api, answer.json()["job"]["id"])
    assert job["state"] == "succeeded", f"{job['step']}: {job['reason']}"
    return jobs.report(api, job["id"])


def address_of(user: Any, server_id: str) -> str:
    [port] = user.network.ports(device_id=server_id)
    return str(port.fixed_ips[0]["ip_address"])


def test_a_server_under_load_is_captured_and_two_new_ones_come_up_with_the_new_kernel(
    api: Any, user: Any, admin: Any, guest: servers.Guest
) -> None:
    guest.ssh("echo captured > /data/proof && touch /root/.bash_history && sync")
    before, newest, pid = inventory.take(admin), apt_source.kernel(), guest.ssh("systemctl show -P MainPID kv")
    client = run_client("kv", guest.address)
    try:
        asked = {"image": {"server_id": guest.id, "name": IMAGE, "volumes": [guest.data_volume_id]}}
        told = ended(api, api.post("/v1/images", json=asked, raise_exc=False))
    finally:
        findings = client.stop()

    # the server: nothing but a short freeze
    assert (findings.errors, findings.lost) == ([], 0)
    assert findings.writes > 100
    assert guest.ssh("systemctl show -P MainPID kv; uname -r") == f"{pid}\n{guest.kernel}"
    assert (
        guest.ssh("find / -xdev -name '*liveupdate*' -not -path '/proc/*' 2>/dev/null; ls -A /run/liveupdate || true")
        == ""
    )
    assert not user.compute.get_server(guest.id).is_locked
    assert [(v["boot"], v["size"]) for v in told["captured"]] == [(True, 3), (False, 1)]
    assert told["frozen_ms"] < 20_000

    # the cloud: nothing but the image and what is behind it
    kept = {line["cloud_id"] for line in told["resources"]["kept"]}
    assert inventory.left_behind(admin, before, kept) == []
    [image] = images(api)
    assert (image["kernel"], image["source_server_id"], len(image["disks"])) == (newest, guest.id, 2)

    # two new servers
    deploy = {
        "action": "deploy",
        "name": f"{NAME}-new",
        "count": 2,
        "flavor_id": user.compute.find_flavor("guest").id,
        "network_id": user.network.find_network("lab").id,
        "key_name": "demo",
    }
    deployed = ended(api, api.post(f"/v1/images/{image['id']}/actions", json=deploy, raise_exc=False))["deployed"]
    assert [s["kernel"] for s in deployed] == [newest, newest]
    assert len({s["host_key"] for s in deployed} | {guest.host_key}) == 3
    machine_ids = {guest.ssh("cat /etc/machine-id")}
    for new in deployed:
        address, key = address_of(user, new["id"]), new["host_key"]
        servers.wait_for(lambda a=address, k=key: servers.answers(a, k), PATIENCE, f"ssh of {new['name']}")  # type: ignore[misc]
        assert servers.ssh(address, key, "uname -r; hostname") == f"{newest}\n{new['name']}"
        servers.wait_for(
            lambda a=address, k=key: servers.ssh(a, k, "cat /data/proof", check=False) == "captured",  # type: ignore[misc]
            PATIENCE,
            f"the captured data on {new['name']}",
        )
        machine_ids.add(servers.ssh(address, key, "cat /etc/machine-id"))
        left = servers.ssh(
            address, key, "find / -xdev -name '*liveupdate*' 2>/dev/null; cat /root/.bash_history || true"
        )
        assert left == "", "what is left of ours, or of the source"
        assert len(servers.ssh(address, key, "journalctl --list-boots -q").splitlines()) == 1, "logs of the source"
    assert len(machine_ids) == 3

    # and nothing is left when they and the image go
    for name in new_names():
        servers.clean(user, name)
    ended(api, api.delete(f"/v1/images/{image['id']}", raise_exc=False))
    assert images(api) == []
    assert inventory.left_behind(admin, before, set()) == []
