"""What a job has made, known by its marks in the cloud and without a ledger: one function for each kind. Pure.

A mark counts only where it stands by our hand: Nova and Cinder hand metadata on to what others make of our things.
"""

from collections.abc import Iterator, Mapping

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.golden_images import READY
from liveupdate.drivers.cloud.inventory import Inventory
from liveupdate.model import Json, Sighting
from liveupdate.planning import roles


def servers(inventory: Inventory) -> Iterator[Sighting]:
    for server in inventory.servers:
        for job_id, role in filter(None, map(marks.of_line, server.tags)):
            told = {"status": server.status, "idle": marks.IDLE in server.tags}
            yield Sighting("server", job_id, role, server.name, server.id, told)


def volumes(inventory: Inventory) -> Iterator[Sighting]:
    for volume in inventory.volumes:
        told = {"size": volume.size, "type": volume.type, "servers": sorted(volume.servers)}
        yield from _stored("volume", volume.id, volume.name, volume.metadata, told)


def snapshots(inventory: Inventory) -> Iterator[Sighting]:
    for snapshot in inventory.snapshots:
        told = {"volume_id": snapshot.volume_id}
        yield from _stored("snapshot", snapshot.id, snapshot.name, snapshot.metadata, told)


def backups(inventory: Inventory) -> Iterator[Sighting]:
    for backup in inventory.backups:
        told = {"volume_id": backup.volume_id, "size": backup.size}
        yield from _stored("backup", backup.id, backup.name, backup.metadata, told)


def images(inventory: Inventory) -> Iterator[Sighting]:
    for image in inventory.images:
        if READY not in image.metadata:
            yield from _stored("image", image.id, image.name, image.metadata, {})


def _stored(kind: str, cloud_id: str, name: str, metadata: Mapping[str, str], told: Json) -> Iterator[Sighting]:
    """Only if it has our name, too."""
    carried = marks.of_metadata(metadata)
    if carried and name == marks.name(*carried):
        yield Sighting(kind, *carried, name, cloud_id, told)


def ports(inventory: Inventory) -> Iterator[Sighting]:
    for port in inventory.ports:
        carried = marks.of_line(port.description)
        if carried and port.name == marks.name(*carried):
            yield Sighting("port", *carried, port.name, port.id, {"device_id": port.device_id})


def locks(inventory: Inventory) -> Iterator[Sighting]:
    for server in inventory.servers:
        if server.locked and (job_id := marks.of_lock(server.locked_reason)):
            told = {"server_id": server.id, "status": server.status}
            yield Sighting("lock", job_id, "original", server.name, server.id, told)


def guest_attachments(inventory: Inventory) -> Iterator[Sighting]:
    makers = {sighting.cloud_id: sighting.job_id for sighting in servers(inventory)}
    for made in inventory.guest_attachments:
        told = {"server_id": made.server_id, "volume_id": made.volume_id}
        role = roles.inside(made.volume_id)
        yield Sighting("guest_attachment", makers[made.server_id], role, role, made.id, told)


def address_pairs(inventory: Inventory) -> Iterator[Sighting]:
    """Addresses that our ports reserve, on other ports; what our ports may use besides goes with them."""
    ours = {sighting.cloud_id: sighting for sighting in ports(inventory)}
    reserved = {
        (port.network_id, address): ours[port.id]
        for port in inventory.ports
        if port.id in ours
        for _, address in port.addresses
    }
    for port in inventory.ports:
        for address in port.allowed if port.id not in ours else ():
            if found := reserved.get((port.network_id, address)):
                told = {"port_id": port.id, "address": address}
                yield Sighting("address_pair", found.job_id, found.role, address, port.id, told)


def trusts(inventory: Inventory) -> Iterator[Sighting]:
    for trust_id in inventory.trusts:
        yield Sighting("trust", "", "trust", "", trust_id, {})


def behind_images(inventory: Inventory) -> frozenset[str]:
    """Ids of the snapshots that golden images need, and of the volumes that these are of.

    The properties of an image are its owner's to change: where one has been published, all that its job has made for
    it counts.
    """
    named = {disk.snapshot_id for image in inventory.golden_images for disk in image.disks}
    published = set()
    for image in inventory.images:
        carried = marks.of_metadata(image.metadata)
        if carried and carried[1] == roles.GOLDEN and (READY in image.metadata or image.name != marks.name(*carried)):
            published.add(carried[0])

    def behind(metadata: Mapping[str, str]) -> bool:
        return metadata.get(marks.JOB) in published and metadata.get(marks.ROLE, "").startswith(roles.GOLDEN)

    needed = [snapshot for snapshot in inventory.snapshots if snapshot.id in named or behind(snapshot.metadata)]
    return frozenset({snapshot.id for snapshot in needed} | {snapshot.volume_id for snapshot in needed})
