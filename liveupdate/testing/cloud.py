"""A cloud in memory: servers, volumes, snapshots, images and ports with the verbs of drivers/cloud, as steps use them.

Operations are done at once. Rules that steps must respect are kept: locked servers refuse all but administrators, a
volume in use or with snapshots is not deleted, a name need not be unique. ``strike`` is called with the name of each
changing call, before and after it ("before create_port", "after create_port"), and may raise: that is a crash.
"""

from collections.abc import Callable, Mapping, Sequence
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
from liveupdate.drivers.cloud.ports import Link, Port
from liveupdate.drivers.cloud.servers import HOST_FORBIDDEN, AttachedVolume, Flavor, Group, Server
from liveupdate.drivers.cloud.snapshots import Snapshot
from liveupdate.drivers.cloud.volume_types import VolumeType
from liveupdate.drivers.cloud.volumes import Volume
from liveupdate.errors import Failed
from liveupdate.testing.hosts import Aggregates, Hosts, Placement
from liveupdate.testing.images import GoldenImages
from liveupdate.testing.storage import Attachments, Backups, Images, Snapshots, Volumes, VolumeTypes, volume
from liveupdate.testing.verbs import Verbs

FLAVOR = Flavor("guest", 2, 1024, 0, 0, {})


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


def server(identifier: str, **changes: Any) -> Server:
    made = Server(
        id=identifier,
        name="server",
        project_id="project",
        user_id="user",
        status="ACTIVE",
        task_state="",
        locked=False,
        locked_reason="",
        fault="",
        host="host1",
        hostname="server",
        pinned_zone="",
        root_device="/dev/vda",
        description="a server",
        key_name="",
        config_drive=True,
        image_id="",
        flavor=FLAVOR,
        metadata={"owner": "me"},
        tags=("mine",),
        security_groups=("default",),
        server_groups=(),
    )
    return replace(made, **changes)


def port(identifier: str, address: str, **changes: Any) -> Port:
    made = Port(
        id=identifier,
        name=identifier,
        description="",
        status="DOWN",
        mac=f"fa:16:3e:00:00:{int(address.rpartition('.')[2]):02x}",
        network_id="network",
        project_id="project",
        device_id="",
        vnic_type="normal",
        port_security=True,
        addresses=(("subnet", address),),
        allowed=(),
        security_groups=("default",),
    )
    return replace(made, **changes)


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


class Servers(Verbs):
    def get(self, server_id: str) -> Server | None:
        return self.world.servers.get(server_id)

    def all(self) -> list[Server]:
        return list(self.world.servers.values())

    def by_tag(self, tag: str) -> Server | None:
        return next((s for s in self.world.servers.values() if tag in s.tags), None)

    def user_data(self, server_id: str) -> str:
        return ""

    def groups(self, ids: Sequence[str]) -> list[Group]:
        return [self.world.groups[i] for i in ids]

    def volumes(self, server_id: str) -> list[AttachedVolume]:
        return list(self.world.attached.get(server_id, {}).values())

    def create(self, body: Mapping[str, Any], hints: Mapping[str, str], host: str = "") -> str:
        def work() -> str:
            if host and not self.world.host_may_be_named:
                raise Failed("no host may be named", code=HOST_FORBIDDEN)
            self._usable(body)
            identifier = self.world.new_id("server")
            # without a name, Nova's choice
            at = host or self.world.hosts[-1].name
            fault = self.world.faults.get(at, "")
            self.world.servers[identifier] = server(
                identifier,
                name=body["name"],
                hostname=body.get("hostname", body["name"]),
                host="" if fault else at,
                status="ERROR" if fault else "ACTIVE",
                fault=fault,
                metadata=dict(body["metadata"]),
                tags=tuple(body["tags"]),
                image_id=body.get("imageRef", ""),
            )
            self.world.attached[identifier] = {}
            for letter, disk in zip("abcdefgh", body["block_device_mapping_v2"], strict=False):
                if disk["source_type"] == "image":
                    continue
                volume_id = self._new_volume(disk) if disk["source_type"] == "snapshot" else disk["uuid"]
                self._plug(identifier, volume_id, f"/dev/vd{letter}", disk["delete_on_termination"])
            if port_id := body["networks"][0].get("port"):
                self.world.ports[port_id] = replace(self.world.ports[port_id], device_id=identifier, status="ACTIVE")
            return identifier

        return str(self._do("create_server", work))

    def _usable(self, body: Mapping[str, Any]) -> None:
        """Nova looks at all of it before it makes anything."""
        there: dict[str, Mapping[str, object]] = {
            "image": self.world.images,
            "snapshot": self.world.snapshots,
            "volume": self.world.volumes,
        }
        for disk in body["block_device_mapping_v2"]:
            kind = disk["source_type"]
            self._refuse(disk["uuid"] not in there[kind], f"no {kind} {disk['uuid']}")
            if kind == "volume":
                self._pluggable(disk["uuid"])
        if port_id := body["networks"][0].get("port"):
            there_port = self.world.ports.get(port_id)
            self._refuse(there_port is None, f"no port {port_id}")
            self._refuse(bool(there_port and there_port.device_id), f"port {port_id} is in use")

    def _new_volume(self, disk: Mapping[str, Any]) -> str:
        made = volume(self.world.new_id("volume"), name="", size=disk["volume_size"])
        self.world.volumes[made.id] = made
        return made.id

    def _plug(self, server_id: str, volume_id: str, device: str, dies: bool) -> None:
        on = self.world.attached.setdefault(server_id, {})
        on[volume_id] = AttachedVolume(volume_id, device, "", dies)
        self.world.update_volume(volume_id)

    def _pluggable(self, volume_id: str) -> None:
        found = self.world.volumes[volume_id]
        self._refuse(bool(found.servers) and not found.multiattach, f"volume {volume_id} is in use")

    def _changeable(self, server_id: str) -> Server:
        found = self.world.servers[server_id]
        self._refuse(found.locked and not self.admin, f"server {server_id} is locked")
        return found

    def _set(self, server_id: str, **changes: Any) -> None:
        self.world.servers[server_id] = replace(self._changeable(server_id), **changes)

    def delete(self, server_id: str) -> None:
        def work() -> None:
            if server_id not in self.world.servers:
                return
            self._changeable(server_id)
            for plugged in self.world.attached.pop(server_id, {}).values():
                self.world.update_volume(plugged.volume_id)
                if plugged.delete_on_termination:
                    del self.world.volumes[plugged.volume_id]
            for found in [p for p in self.world.ports.values() if p.device_id == server_id]:
                self.world.ports[found.id] = replace(found, device_id="", status="DOWN")
            del self.world.servers[server_id]

        self._do("delete_server", work)

    def stop(self, server_id: str) -> None:
        self._do("stop_server", lambda: self._set(server_id, status="SHUTOFF"))

    def start(self, server_id: str) -> None:
        self._do("start_server", lambda: self._set(server_id, status="ACTIVE"))

    def reboot(self, server_id: str) -> None:
        self._do("reboot_server", lambda: self._set(server_id, task_state="reboot_started"))

    def on_host(self, host: str) -> list[Server]:
        return [s for s in self.world.servers.values() if s.host == host]

    def live_migrate(self, server_id: str, host: str) -> None:
        """At once, but for those in World.slow (which go on until they are stopped) and World.unmovable."""

        def work() -> None:
            if server_id in self.world.slow:
                self._set(server_id, status="MIGRATING")
            elif server_id not in self.world.unmovable:
                self._move(server_id, host)

        self._do("live_migrate", work)

    def _move(self, server_id: str, host: str) -> None:
        """With what it has allocated."""
        found = self.world.servers[server_id]
        asked = {"VCPU": found.flavor.vcpus, "MEMORY_MB": found.flavor.memory}
        for name, sign in ((found.host, -1), (host, 1)):
            if name in self.world.stocks:
                amounts = self.world.stocks[name].amounts
                changed = {k: (replace(a[0], used=a[0].used + sign * asked.get(k, 0)),) for k, a in amounts.items()}
                self.world.stocks[name] = replace(self.world.stocks[name], amounts=changed)
        self._set(server_id, host=host)

    def stop_migration(self, server_id: str) -> None:
        self._do("stop_migration", lambda: self._set(server_id, status="ACTIVE"))

    def lock(self, server_id: str, reason: str) -> None:
        self._do("lock_server", lambda: self._set(server_id, locked=True, locked_reason=reason))

    def unlock(self, server_id: str) -> None:
        self._do("unlock_server", lambda: self._set(server_id, locked=False, locked_reason=""))

    def rename(self, server_id: str, name: str, description: str) -> None:
        self._do("rename_server", lambda: self._set(server_id, name=name, description=description))

    def set_metadata(self, server_id: str, metadata: Mapping[str, str]) -> None:
        self._do("set_metadata", lambda: self._set(server_id, metadata=dict(metadata)))

    def set_tags(self, server_id: str, tags: Sequence[str]) -> None:
        self._do("set_tags", lambda: self._set(server_id, tags=tuple(tags)))

    def remove_tag(self, server_id: str, tag: str) -> None:
        def work() -> None:
            left = tuple(t for t in self.world.servers[server_id].tags if t != tag)
            self._set(server_id, tags=left)

        self._do("remove_tag", work)

    def attach_volume(self, server_id: str, volume_id: str) -> None:
        def work() -> None:
            self._changeable(server_id)
            self._pluggable(volume_id)
            self._plug(server_id, volume_id, "/dev/vdb", False)

        self._do("attach_volume", work)

    def detach_volume(self, server_id: str, volume_id: str) -> None:
        def work() -> None:
            root = self._changeable(server_id).root_device
            plugged = self.world.attached[server_id].get(volume_id)
            self._refuse(bool(plugged and plugged.device == root), "cannot detach a root device volume")
            self.world.attached[server_id].pop(volume_id, None)
            self.world.update_volume(volume_id)

        self._do("detach_volume", work)

    def set_delete_on_termination(self, server_id: str, volume_id: str, value: bool) -> None:
        def work() -> None:
            on = self.world.attached[server_id]
            on[volume_id] = replace(on[volume_id], delete_on_termination=value)

        self._do("set_delete_on_termination", work)

    def attach_port(self, server_id: str, port_id: str) -> None:
        def work() -> None:
            found = self.world.ports[port_id]
            self._refuse(bool(found.device_id), f"port {port_id} is in use")
            self.world.ports[port_id] = replace(found, device_id=server_id, status="ACTIVE")

        self._do("attach_port", work)

    def detach_port(self, server_id: str, port_id: str) -> None:
        def work() -> None:
            if (found := self.world.ports.get(port_id)) and found.device_id == server_id:
                self.world.ports[port_id] = replace(found, device_id="", status="DOWN")

        self._do("detach_port", work)


class Ports(Verbs):
    def all(self) -> list[Port]:
        return list(self.world.ports.values())

    def get(self, port_id: str) -> Port | None:
        return self.world.ports.get(port_id)

    def of_server(self, server_id: str) -> list[Port]:
        return [p for p in self.world.ports.values() if p.device_id == server_id]

    def find(self, name: str, mark: str) -> Port | None:
        return next((p for p in self.world.ports.values() if (p.name, p.description) == (name, mark)), None)

    def create(self, name: str, mark: str, like: Port) -> Port:
        def work() -> Port:
            address = f"10.0.0.{100 + len(self.world.ports)}"
            made = port(self.world.new_id("port"), address, name=name, description=mark)
            self.world.ports[made.id] = made
            return made

        made: Port = self._do("create_port", work)
        return made

    def allow(self, port_id: str, address: str) -> None:
        def work() -> None:
            self._refuse(not self.admin, "only administrators set address pairs on a shared network")
            found = self.world.ports[port_id]
            self.world.ports[port_id] = replace(found, allowed=tuple({*found.allowed, address}))

        self._do("allow_address", work)

    def disallow(self, port_id: str, address: str) -> None:
        def work() -> None:
            found = self.world.ports[port_id]
            self.world.ports[port_id] = replace(found, allowed=tuple({*found.allowed} - {address}))

        self._do("disallow_address", work)

    def free(self, port_id: str) -> None:
        def work() -> None:
            self.world.ports[port_id] = replace(self.world.ports[port_id], device_id="", status="DOWN")

        self._do("free_port", work)

    def delete(self, port_id: str) -> None:
        self._do("delete_port", lambda: self.world.ports.pop(port_id, None))

    def link(self, port: Port) -> Link:
        return Link(4, 24, "10.0.0.1", 1500, True, "admin")

    def floating_addresses(self, port_id: str) -> list[str]:
        return []


class NetworkAgents(Verbs):
    def list(self) -> list[NetworkAgent]:
        return list(self.world.network_agents)

    def physical_network(self, network_id: str) -> str:
        return "physical"


class Consoles(Verbs):
    def output(self, server_id: str) -> str:
        """As Nova: not of a server that is off."""
        server = self.world.servers.get(server_id)
        self._refuse(server is None or server.status == "SHUTOFF", f"no console of {server_id}")
        return self.world.consoles.get(server_id, "")


class Flavors:
    def id_of(self, flavor: Flavor) -> str:
        return f"id-of-{flavor.name}"

    def get(self, flavor_id: str) -> Flavor | None:
        return FLAVOR if flavor_id == self.id_of(FLAVOR) else None


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
