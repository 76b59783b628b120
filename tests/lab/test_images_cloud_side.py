"""Golden images with the lab's real services, on its simulated hosts: captured, deployed, deleted.

The guests and what they print are doubles (a simulated host runs none); everything else is real: trust, lock,
snapshots, volumes, the image in Glance, and servers that Nova makes from it.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from lab.demo import inventory
from lab.settings import PATIENCE
from liveupdate.drivers.cloud import Clouds
from liveupdate.errors import Failed
from liveupdate.methods import capture, deploy, image_delete
from liveupdate.states import ResourceState
from liveupdate.steps import publish_image
from liveupdate.testing.captures import HOST_KEY, KERNEL, machine_id, provenance, witness
from liveupdate.testing.context import MemoryContext
from liveupdate.testing.guest import GuestDouble
from tests.lab.driving import drive
from tests.lab.test_cloud_side import context as context_of_a_server
from tests.lab.test_cloud_side import server as server_with_volumes

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("clouds_yaml"),
    # of a disk on its host nothing is captured yet
    pytest.mark.parametrize("server", ["boot volume"], indirect=True),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

context, server = context_of_a_server, server_with_volumes
IMAGE = f"golden-{uuid.uuid4().hex[:6]}"


@dataclass
class Consoles:
    """What simulated servers would have printed."""

    said: dict[str, str] = field(default_factory=dict)

    def output(self, server_id: str) -> str:
        return self.said.get(server_id, "")


@dataclass
class SealedGuest(GuestDouble):
    """Its sealing is over as soon as it is started."""

    consoles: Consoles = field(default_factory=Consoles)

    def run(self, argv: Any, **_: Any) -> SimpleNamespace:
        if argv[0] == "systemd-run":
            [order] = [told for command, told in self.calls if command == "seal_prepare"]
            self.consoles.said[order["instance_uuid"]] = f"liveupdate: sealed {order['word']}\nreboot: System halted"
        return SimpleNamespace(code=0, stdout="ActiveState=inactive\n", stderr="")


def job_for(known: MemoryContext, method: str, server_id: str, **parameters: Any) -> MemoryContext:
    """Another job of the same requester."""
    made = replace(known.job, id=str(uuid.uuid4()), method=method, server_id=server_id, parameters=parameters)
    clouds, consoles = Clouds("liveupdate"), Consoles()
    seen = {"smbios_uuid": server_id, "systemd": True, "cloud_init": True, "units": []}
    seen["mounts"] = [{"where": "/", "fstype": "ext4", "by_id": "", "options": "rw"}]
    guests = {
        "original": GuestDouble(answers={"inspect": seen}),
        "surrogate": SealedGuest(answers={"provenance": provenance()}, consoles=consoles),
    }
    wanted = MemoryContext(made, clouds.user(made), clouds.service(made), guests)
    wanted.service.consoles = consoles
    return wanted


@pytest.fixture
def capturing(context: MemoryContext, server: Any, demo: Any) -> Iterator[MemoryContext]:
    demo.compute.set_server_metadata(server, **{"liveupdate:host_key": HOST_KEY})
    volumes = [v["id"] for v in context.results["preflight"]["server"]["volumes"] if not v["boot"]]
    made = job_for(context, "capture", server.id, **capture.parameters(IMAGE, volumes))
    yield made
    # what a failed test has left
    for image in made.user.golden_images.all(made.job.project_id):
        if image.name == IMAGE:
            drive(job_for(made, "image_delete", "", image_id=image.id), *image_delete.METHOD.steps)
    for step in reversed(capture.METHOD.steps):
        drive(made, step, undo=True)


def test_a_server_is_captured_deployed_twice_and_the_image_goes_without_a_trace(
    admin: Any, demo: Any, server: Any, capturing: MemoryContext
) -> None:
    before = inventory.take(admin)
    drive(capturing, *capture.METHOD.steps)
    assert capturing.ledger.open() == []
    kept = {line.cloud_id for line in capturing.ledger.lines if line.state == ResourceState.KEPT}
    captured = inventory.take(admin)
    assert inventory.leftovers(inventory.compare(before, captured), kept) == []
    [image] = [i for i in capturing.user.golden_images.all(capturing.job.project_id) if i.name == IMAGE]
    assert [demo.block_storage.get_snapshot(disk.snapshot_id).status for disk in image.disks] == ["available"] * 2
    assert not admin.compute.get_server(server.id).is_locked

    deployed = deploying(capturing, demo, image.id)
    drive(deployed, *deploy.METHOD.steps[:2])
    for identifier in deployed.results["deploy"]["servers"]:
        volumes = [a.volume_id for a in deployed.service.servers.volumes(identifier)]
        assert len(volumes) == 2
        deployed.service.consoles.said[identifier] = witness(identifier, volumes)
    drive(deployed, *deploy.METHOD.steps[2:])
    told = deployed.results["prove_deployed"]["servers"]
    assert [(s["name"], s["kernel"]) for s in told] == [(f"{IMAGE}-1", KERNEL), (f"{IMAGE}-2", KERNEL)]
    servers = [demo.compute.get_server(s["id"]) for s in told]
    assert [s.tags for s in servers] == [[], []]
    for new in servers:
        demo.compute.delete_server(new)
        demo.compute.wait_for_delete(new, interval=0.5, wait=PATIENCE)
    assert inventory.left_behind(admin, captured, set()) == [], "their volumes and ports die with them"

    drive(job_for(capturing, "image_delete", "", image_id=image.id), *image_delete.METHOD.steps)
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, set()) == []


@pytest.mark.long
def test_a_plain_server_create_from_the_image_boots_and_has_the_volumes(
    admin: Any, demo: Any, capturing: MemoryContext
) -> None:
    drive(capturing, *capture.METHOD.steps)
    image_id = capturing.results["make_image"]["image_id"]
    made = demo.compute.create_server(
        name=f"{IMAGE}-plain",
        image_id=image_id,
        flavor_id=demo.compute.find_flavor("tiny").id,
        networks=[{"uuid": demo.network.find_network("lab").id}],
    )
    demo.compute.wait_for_server(made, interval=0.5, wait=PATIENCE)
    attached = list(demo.compute.volume_attachments(made))
    demo.compute.delete_server(made)
    demo.compute.wait_for_delete(made, interval=0.5, wait=PATIENCE)
    assert sorted(a.device for a in attached) == ["/dev/vda", "/dev/vdb"]
    types = {v["id"]: v["type"] for v in capturing.results["preflight"]["server"]["volumes"]}
    assert "ceph-multiattach" in types.values()


def test_undone_before_its_pivot_nothing_is_left_of_a_capture(admin: Any, capturing: MemoryContext) -> None:
    before = inventory.take(admin)
    steps = capture.METHOD.steps[: capture.METHOD.steps.index(publish_image.STEP)]
    drive(capturing, *steps)
    drive(capturing, *reversed(steps), undo=True)
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, set()) == []
    assert change.vanished == {}
    assert capturing.ledger.open() == []


@pytest.mark.long
def test_new_servers_that_are_not_proven_are_taken_away(admin: Any, demo: Any, capturing: MemoryContext) -> None:
    drive(capturing, *capture.METHOD.steps)
    before = inventory.take(admin)
    deployed = deploying(capturing, demo, capturing.results["make_image"]["image_id"])
    drive(deployed, *deploy.METHOD.steps[:2])
    for identifier in deployed.results["deploy"]["servers"]:
        volumes = [a.volume_id for a in deployed.service.servers.volumes(identifier)]
        deployed.service.consoles.said[identifier] = witness(identifier, volumes, machine=machine_id("source"))
    with pytest.raises(Failed, match="machine-id of the source"):
        drive(deployed, deploy.METHOD.steps[2])
    drive(deployed, *reversed(deploy.METHOD.steps[:3]), undo=True)
    assert inventory.left_behind(admin, before, set()) == []


def deploying(known: MemoryContext, demo: Any, image_id: str) -> MemoryContext:
    return job_for(
        known,
        "deploy",
        "",
        image_id=image_id,
        names=[f"{IMAGE}-1", f"{IMAGE}-2"],
        flavor_id=demo.compute.find_flavor("tiny").id,
        network_id=demo.network.find_network("lab").id,
    )
