"""A cloud in memory: servers, volumes, snapshots, images and ports with the verbs of drivers/cloud, as steps use them.

Operations are done at once. Rules that steps must respect are kept: locked servers refuse all but administrators, a
volume in use or with snapshots is not deleted, a name need not be unique. ``strike`` is called with the name of each
changing call, before and after it ("before create_port", "after create_port"), and may raise: that is a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from liveupdate.drivers.cloud.aggregates import Aggregate
from liveupdate.drivers.cloud.attachments import Attachment
from liveupdate.drivers.cloud.backups import Backup
from liveupdate.drivers.cloud.golden_images import GoldenImage
from liveupdate.drivers.cloud.hosts import Host
from liveupdate.drivers.cloud.images import Image
from liveupdate.drivers.cloud.network_agents import NetworkAgent
from liveupdate.drivers.cloud.placement import Stock
from liveupdate.drivers.cloud.ports import Port
from liveupdate.drivers.cloud.servers import AttachedVolume, Group, Server
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.drivers.cloud.volume_types import VolumeType
from liveupdate.drivers.cloud.volumes import Volume
from liveupdate.testing.hosts import Aggregates, Hosts, Placement
from liveupdate.testing.images import GoldenImages
from liveupdate.testing.network import NetworkAgents, Ports, port
from liveupdate.testing.servers import FLAVOR, Consoles, Flavors, Servers, server
from liveupdate.testing.storage import Attachments, Backups, Images, Snapshots, Volumes, VolumeTypes, volume
from liveupdate.testing.verbs import Verbs


@dataclass
class World:
    """What is there, whoever looks."""

    servers: dict[str, Server] = field(default_factory=dict)
    attached: dict[str, dict[str, AttachedVolume]] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    #: None: there is no backup service.
    backups: dict[str, Backup] | None = None
    images: dict[str, Image] = field(default_factory=dict)
    #: Images that Glance does not delete, since disks are clones of them.
    cloned: set[str] = field(default_factory=set)
    #: Of golden images: what they are besides.
    golden: dict[str, GoldenImage] = field(default_factory=dict)
    #: Server → what it has printed.
    consoles: dict[str, str] = field(default_factory=dict)
    #: By name.
    volume_types: dict[str, VolumeType] = field(default_factory=dict)
    #: Volumes, snapshots and backups whose deletion Cinder does not bring to an end: id → status it is left in.
    stuck: dict[str, str] = field(default_factory=dict)
    #: Volume → over how many paths a host has it by iSCSI; the others are in Ceph.
    paths: dict[str, int] = field(default_factory=dict)
    #: Made in a server's name by who is not Nova.
    inside: dict[str, Attachment] = field(default_factory=dict)
    ports: dict[str, Port] = field(default_factory=dict)
    #: Ids of those that let the service work in somebody's name.
    trusts: set[str] = field(default_factory=set)
    hosts: list[Host] = field(default_factory=list)
    network_agents: list[NetworkAgent] = field(default_factory=list)
    aggregates: dict[int, Aggregate] = field(default_factory=dict)
    #: Host → what Placement says of it.
    stocks: dict[str, Stock] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    #: Host → the fault of every server that is asked for there.
    faults: dict[str, str] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    unmovable: set[str] = field(default_factory=set)
    #: Nova's policy lets the service name a host.
    host_may_be_named: bool = True
    strike: Callable[[str], None] = lambda moment: None
    _ids: Any = field(default_factory=lambda: count(1))

    def new_id(self, kind: str) -> str:
        return f"{kind}-{next(self._ids):04d}-0000-0000"

    def seen(self) -> dict[str, Any]:
        """Everything, for comparing before and after."""
        return {
            "servers": dict(self.servers),
            "attached": {s: dict(a) for s, a in self.attached.items()},
            "volumes": dict(self.volumes),
            "inside": dict(self.inside),
            "snapshots": dict(self.snapshots),
            "backups": dict(self.backups or {}),
            "images": dict(self.images),
            "ports": dict(self.ports),
        }

    def update_volume(self, volume_id: str) -> None:
        on = frozenset(s for s, volumes in self.attached.items() if volume_id in volumes)
        on |= {made.server_id for made in self.inside.values() if made.volume_id == volume_id}
        status = "in-use" if on else "available"
        self.volumes[volume_id] = replace(self.volumes[volume_id], servers=on, status=status)


def with_server() -> World:
    """A world with one server, "original": boot volume, one multiattach data volume, one port, a second host."""
    world = World(hosts=[Host(name, provider_id=name) for name in ("host1", "host2")])
    world.servers["original"] = server("original")
    world.volumes["root-volume"] = volume("root-volume", bootable=True)
    world.volumes["data-volume"] = volume("data-volume", multiattach=True)
    world.ports["own-port"] = port("own-port", "10.0.0.10", device_id="original", status="ACTIVE")
    world.attached["original"] = {
        "root-volume": AttachedVolume("root-volume", "/dev/vda", "", True),
        "data-volume": AttachedVolume("data-volume", "/dev/vdb", "", False),
    }
    for identifier in world.attached["original"]:
        world.update_volume(identifier)
    return world


def with_local_root() -> World:
    """As with_server, but "original" was made from an image, onto a disk of its host."""
    world = with_server()
    flavor = replace(FLAVOR, disk=3)
    world.servers["original"] = server("original", image_id="debian", flavor=flavor)
    world.images["debian"] = Image("debian", "debian", "active", 1 << 30, {})
    del world.attached["original"]["root-volume"], world.volumes["root-volume"]
    return world


class CloudDouble:
    """One identity's view of a World; see drivers/cloud/cloud.py."""

    def __init__(self, world: World, *, admin: bool) -> None:
        self.world = world
        self.servers = Servers(world, admin)
        self.consoles = Consoles(world)
        self.flavors = Flavors()
        self.keypairs = Keypairs()
        self.hosts = Hosts(world)
        self.aggregates = Aggregates(world)
        self.placement = Placement(world)
        self.volumes = Volumes(world)
        self.attachments = Attachments(world)
        self.volume_types = VolumeTypes(world)
        self.snapshots = Snapshots(world)
        self.backups = Backups(world)
        self.images = Images(world)
        self.golden_images = GoldenImages(world)
        self.ports = Ports(world, admin)
        self.network_agents = NetworkAgents(world)
        self.quotas = Quotas()
        self.trusts = Trusts(world)


class Keypairs:
    def exists(self, name: str) -> bool:
        return False


class Trusts(Verbs):
    def all(self) -> list[str]:
        return sorted(self.world.trusts)

    def get(self, trust_id: str) -> str | None:
        return trust_id if trust_id in self.world.trusts else None

    def delete(self, trust_id: str) -> None:
        self._do("delete_trust", lambda: self.world.trusts.discard(trust_id))


class Quotas:
    def left(self, project_id: str) -> dict[str, int]:
        return {}
