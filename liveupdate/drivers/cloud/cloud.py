"""One identity's view of the cloud: thin verbs, one attribute per kind of resource."""

from collections.abc import Callable
from typing import Any

from liveupdate.drivers.cloud.aggregates import Aggregates
from liveupdate.drivers.cloud.attachments import Attachments
from liveupdate.drivers.cloud.backups import Backups
from liveupdate.drivers.cloud.consoles import Consoles
from liveupdate.drivers.cloud.flavors import Flavors
from liveupdate.drivers.cloud.golden_images import GoldenImages
from liveupdate.drivers.cloud.hosts import Hosts
from liveupdate.drivers.cloud.images import Images
from liveupdate.drivers.cloud.keypairs import Keypairs
from liveupdate.drivers.cloud.network_agents import NetworkAgents
from liveupdate.drivers.cloud.placement import Placement
from liveupdate.drivers.cloud.ports import Ports
from liveupdate.drivers.cloud.quotas import Quotas
from liveupdate.drivers.cloud.servers import Servers
from liveupdate.drivers.cloud.snapshots import Snapshots
from liveupdate.drivers.cloud.trusts import Trusts
from liveupdate.drivers.cloud.volume_types import VolumeTypes
from liveupdate.drivers.cloud.volumes import Volumes


class Cloud:
    """``connection``: openstacksdk's, authenticated, with the microversions of connection.py; ``service_token``: gives
    one of the service user's."""

    def __init__(self, connection: Any, service_token: Callable[[], str]) -> None:
        self.servers = Servers(connection.compute, service_token)
        self.consoles = Consoles(connection.compute)
        self.flavors = Flavors(connection.compute)
        self.keypairs = Keypairs(connection.compute)
        self.hosts = Hosts(connection.compute)
        self.aggregates = Aggregates(connection.compute)
        self.placement = Placement(connection.placement)
        self.volumes = Volumes(connection.block_storage)
        self.attachments = Attachments(connection.block_storage)
        self.volume_types = VolumeTypes(connection.block_storage)
        self.snapshots = Snapshots(connection.block_storage)
        self.backups = Backups(connection.block_storage)
        self.images = Images(connection.image, connection.compute)
        self.golden_images = GoldenImages(connection.image)
        self.ports = Ports(connection.network)
        self.network_agents = NetworkAgents(connection.network)
        self.trusts = Trusts(connection.session)
        self.quotas = Quotas(connection.compute, connection.block_storage, connection.network)
