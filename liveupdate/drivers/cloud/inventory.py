"""What is in the cloud at one moment, of every project, as far as it can be of a job's making. Administrators only."""

from dataclasses import dataclass

from liveupdate.drivers.cloud import marks
from liveupdate.drivers.cloud.attachments import Attachment
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.cloud import Cloud
from liveupdate.drivers.cloud.golden_images import GoldenImage
from liveupdate.drivers.cloud.images import Image
from liveupdate.drivers.cloud.ports import Port
from liveupdate.drivers.cloud.servers import Server
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.drivers.cloud.volumes import Volume


@dataclass(frozen=True)
class Inventory:
    servers: tuple[Server, ...] = ()
    volumes: tuple[Volume, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    backups: tuple[Backup, ...] = ()
    images: tuple[Image, ...] = ()
    #: Those that are listed: their owners use them.
    golden_images: tuple[GoldenImage, ...] = ()
    ports: tuple[Port, ...] = ()
    #: In the name of servers that a job has made, and not by Nova.
    guest_attachments: tuple[Attachment, ...] = ()
    #: Ids of those that let the service work in somebody's name.
    trusts: tuple[str, ...] = ()


def take(cloud: Cloud) -> Inventory:
    """One list of each kind. ``cloud``: the service user's."""
    servers = tuple(cloud.servers.all())
    made = [server for server in servers if any(marks.of_line(tag) for tag in server.tags)]
    return Inventory(
        servers=servers,
        volumes=tuple(cloud.volumes.all()),
        snapshots=tuple(cloud.snapshots.all()),
        backups=tuple(cloud.backups.all()),
        images=tuple(cloud.images.all()),
        golden_images=tuple(cloud.golden_images.all()),
        ports=tuple(cloud.ports.all()),
        guest_attachments=tuple(found for server in made for found in by_guest(cloud, server.id)),
        trusts=tuple(cloud.trusts.all()),
    )


def by_guest(cloud: Cloud, server_id: str) -> list[Attachment]:
    """Of the server's attachments those that Nova knows nothing of: its guest logs in to the storage by itself."""
    novas = {attached.volume_id for attached in cloud.servers.volumes(server_id)}
    return [found for found in cloud.attachments.of_server(server_id) if found.volume_id not in novas]
