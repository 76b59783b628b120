"""The cloud-side steps of the method surrogate with the lab's real services, on its simulated hosts.

The guests are doubles (a simulated host runs none); everything else is real: trust, locks, snapshots, ports, volumes.
"""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import openstack
import pytest

from lab.demo import inventory
from lab.settings import PATIENCE
from liveupdate.drivers.cloud import Clouds
from liveupdate.methods import fallback_expire, restore
from liveupdate.model import Fallback
from liveupdate.states import ResourceState
from liveupdate.steps import (
    attach,
    clean_up,
    fallback,
    lock,
    mirror,
    place,
    provision,
    release_original,
    reserve_port,
    retire,
)
from liveupdate.steps.replacement import boot_volumes
from liveupdate.steps.server_facts import describe
from liveupdate.testing.context import MemoryContext, job
from liveupdate.testing.guest import GuestDouble
from tests.lab.driving import drive
from tests.lab.originals import boot, trust

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures("clouds_yaml"),
    # openstacksdk and its libraries warn about each other
    pytest.mark.filterwarnings("ignore::Warning"),
]

FORWARD = tuple(m.STEP for m in (lock, fallback, reserve_port, mirror, place, provision, attach))
NAME = f"cloud-side-{uuid.uuid4().hex[:6]}"


@pytest.fixture(params=["boot volume", "local root"])
def server(request: pytest.FixtureRequest, admin: Any, demo: Any) -> Iterator[Any]:
    """A server on a simulated host: boot volume that dies with it, or a root disk of its host made from an image; a
    multiattach data volume, a port of its own."""
    made = boot(demo, NAME, local_root=request.param == "local root")
    volumes = {a.volume_id for a in demo.compute.volume_attachments(made)}
    [port] = demo.network.ports(device_id=made.id)
    yield made
    _sweep(admin, demo, volumes, port.id)


def _sweep(admin: Any, demo: Any, volume_ids: set[str], port_id: str) -> None:
    servers = {s.id for s in demo.compute.servers() if s.name == NAME}
    for found in [s for s in demo.compute.servers() if s.name == NAME]:
        volume_ids |= {a.volume_id for a in demo.compute.volume_attachments(found)}
        admin.compute.delete_server(found)
        admin.compute.wait_for_delete(found, interval=0.5, wait=PATIENCE)
    demo.network.delete_port(port_id)
    for image in demo.image.images(visibility="private"):
        # Nova notes the server that an image is of
        if image.instance_uuid in servers:
            demo.image.delete_image(image)
    for snapshot in [s for s in demo.block_storage.snapshots() if s.volume_id in volume_ids]:
        demo.block_storage.delete_snapshot(snapshot)
        demo.block_storage.wait_for_delete(snapshot, interval=0.5, wait=PATIENCE)
    for volume in [v for v in demo.block_storage.volumes() if v.id in volume_ids]:
        demo.block_storage.delete_volume(volume)
        demo.block_storage.wait_for_delete(volume, interval=0.5, wait=PATIENCE)


@pytest.fixture
def context(admin: Any, demo: Any, server: Any) -> Iterator[MemoryContext]:
    """A job for the server, with a trust of the requester's."""
    granted = trust(admin, demo)
    clouds = Clouds("liveupdate")
    made = job(
        id=str(uuid.uuid4()),
        server_id=server.id,
        project_id=demo.current_project_id,
        trust_id=granted,
        request_id=f"req-{uuid.uuid4()}",
    )
    facts = describe(clouds.service(made), clouds.service(made).servers.get(server.id))  # type: ignore[arg-type]
    well = {"probe": {"units": {"kv.service": {"ok": True}}}}
    guest = GuestDouble(answers=well, serials=[v["serial"] for v in facts["volumes"]])
    context = MemoryContext(made, clouds.user(made), clouds.service(made), {"original": guest, "surrogate": guest})
    mounts = [{"where": "/", "fstype": "ext4", "by_id": ""}]
    context.results["preflight"] = {"server": facts, "guest": {"mounts": mounts}, "host_key": "ssh-ed25519 AAAA"}
    yield context
    demo.identity.delete(f"/OS-TRUST/trusts/{granted}")


def test_forward_and_back_leaves_the_cloud_as_it_was(admin: Any, server: Any, context: MemoryContext) -> None:
    before = inventory.take(admin)
    drive(context, *FORWARD)
    for step in FORWARD:
        assert step is place.STEP or step.probe(context).done, step.name
    once = len(context.ledger.lines)
    drive(context, *FORWARD)
    assert len(context.ledger.lines) == once, "a repeated step made something anew"
    surrogate = admin.compute.get_server(context.results["provision"]["server_id"])
    assert (surrogate.name, surrogate.hostname) == (server.name, server.hostname)
    assert surrogate.compute_host != admin.compute.get_server(server.id).compute_host
    drive(context, *reversed(FORWARD), undo=True)
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, set()) == []
    assert change.vanished == {}
    assert context.ledger.open() == []


def test_a_copy_is_found_again_by_whoever_follows_a_worker_that_died_before_it_could_note_it(
    demo: Any, server: Any, context: MemoryContext
) -> None:
    def die(write: str) -> None:
        if write == "created":
            raise KeyboardInterrupt

    context.ledger.before = die
    with pytest.raises(KeyboardInterrupt):
        drive(context, fallback.STEP)
    context.ledger.before = lambda write: None
    drive(context, fallback.STEP)
    [line] = context.ledger.lines
    images, snapshots = demo.image.images(name=line.name), demo.block_storage.snapshots(name=line.name)
    assert [found.id for found in (*images, *snapshots)] == [line.cloud_id]
    drive(context, fallback.STEP, undo=True)


def test_the_owner_cannot_touch_a_locked_original(demo: Any, server: Any, context: MemoryContext) -> None:
    drive(context, lock.STEP)
    with pytest.raises(openstack.exceptions.ConflictException):
        demo.compute.stop_server(server.id)
    with pytest.raises(openstack.exceptions.ForbiddenException):
        demo.compute.unlock_server(server.id)
    drive(context, lock.STEP, undo=True)


def test_the_released_server_is_the_old_one_but_for_its_id(admin: Any, server: Any, context: MemoryContext) -> None:
    port_id = context.results["preflight"]["server"]["ports"][0]["id"]
    before = inventory.take(admin)
    drive(context, *FORWARD, release_original.STEP, clean_up.STEP)
    now = admin.compute.get_server(context.results["provision"]["server_id"])
    port = admin.network.get_port(port_id)
    assert (now.name, now.tags, now.is_locked) == (server.name, ["mine"], False)
    assert now.metadata["owner"] == "me"
    assert now.metadata["liveupdate:replaces"] == server.id
    assert (port.device_id, port.status, port.allowed_address_pairs) == (now.id, "ACTIVE", [])
    dies = {a.volume_id: a.delete_on_termination for a in admin.compute.volume_attachments(now.id)}
    assert list(dies.values()).count(True) == len(boot_volumes(context))
    for volume in boot_volumes(context):
        assert dies[context.results["mirror"]["volume_id"]] is True
        assert volume["id"] not in dies
    kept = {r.cloud_id for r in context.ledger.lines if r.state == ResourceState.KEPT}
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, kept) == []
    assert change.vanished["servers"] == {server.id: server.name}


# -- back from the fallback --------------------------------------------------------------------------------------------


def afterwards(context: MemoryContext, server_id: str, **parameters: Any) -> MemoryContext:
    """A later job, of the same requester, for what the job of ``context`` has kept."""
    kept = [line for line in context.ledger.lines if line.keep_until]
    now = datetime.now(UTC)
    source = Fallback(
        context.job.id, context.job.project_id, server_id, "", "", now, now, tuple(kept), port_of(context)
    )
    told = {**restore.parameters(source, data_volumes=False, keep_days=7), **parameters}
    made = replace(context.job, id=str(uuid.uuid4()), server_id=server_id, parameters=told)
    clouds = Clouds("liveupdate")
    return MemoryContext(made, clouds.user(made), clouds.service(made))


def port_of(context: MemoryContext) -> str:
    return str(context.results["preflight"]["server"]["ports"][0]["id"])


def test_an_updated_server_comes_back_on_its_own_port_and_every_fallback_ends_without_a_trace(
    admin: Any, server: Any, context: MemoryContext
) -> None:
    before = inventory.take(admin)
    drive(context, *FORWARD, release_original.STEP, clean_up.STEP)
    restoring = afterwards(context, context.results["provision"]["server_id"])
    drive(restoring, *restore.METHOD.steps)
    assert restoring.ledger.open() == []
    now = admin.compute.get_server(restoring.results["provision"]["server_id"])
    assert (now.name, now.status, now.tags, now.is_locked) == (server.name, "ACTIVE", ["mine"], False)
    assert admin.network.get_port(port_of(context)).device_id == now.id
    [copy] = context.results["fallback"]["taken"]
    boot = [a.volume_id for a in admin.compute.volume_attachments(now.id) if a.delete_on_termination]
    came_from = [admin.block_storage.get_volume(v).snapshot_id for v in boot] or [now.image.id]
    assert came_from == [copy["id"]]
    for keeper in (restoring, context):
        ending = afterwards(keeper, now.id)
        drive(ending, *fallback_expire.METHOD.steps)
        assert ending.results["end_fallback"]["left"] == []
        assert all(ending.ledger.ended.values())
    change = inventory.compare(before, inventory.take(admin))
    assert inventory.leftovers(change, {now.id, *boot}) == []


def test_a_restore_undone_before_its_pivot_leaves_the_server_as_it_was(
    admin: Any, server: Any, context: MemoryContext
) -> None:
    drive(context, *FORWARD, release_original.STEP, clean_up.STEP)
    updated = context.results["provision"]["server_id"]
    before, plugged = inventory.take(admin), volumes_of(admin, updated)
    restoring = afterwards(context, updated)
    steps = restore.METHOD.steps[: restore.METHOD.steps.index(retire.STEP)]
    drive(restoring, *steps)
    assert admin.compute.get_server(updated).status == "SHUTOFF"
    drive(restoring, *reversed(steps), undo=True)
    assert admin.compute.get_server(updated).status == "ACTIVE"
    assert admin.network.get_port(port_of(context)).device_id == updated
    assert volumes_of(admin, updated) == plugged
    change = inventory.compare(before, inventory.take(admin))
    assert (inventory.leftovers(change, set()), change.vanished) == ([], {})
    assert restoring.ledger.open() == []


def volumes_of(admin: Any, server_id: str) -> dict[str, bool]:
    return {a.volume_id: a.delete_on_termination for a in admin.compute.volume_attachments(server_id)}
