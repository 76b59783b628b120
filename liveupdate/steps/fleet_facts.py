"""Looks at the cloud's hosts and asks the planning where a server's twin may go. Changes nothing; as the service user.

Serves the step place, the preflight and the API alike: what is explained is what is done.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from liveupdate.model import Held, NoData, SameHost, Utilization
from liveupdate.planning import demand, groups, reach
from liveupdate.planning.demand import Demand
from liveupdate.planning.eligibility import Need, room, suits
from liveupdate.planning.fleet import NO_SOURCE, HostFacts, Inventory
from liveupdate.planning.groups import HostGroup
from liveupdate.planning.placement import Choice, choose
from liveupdate.planning.policies import POLICIES
from liveupdate.planning.room import Neighbour, why_fixed

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.hosts import Host
    from liveupdate.drivers.cloud.placement import Amount, Stock
    from liveupdate.drivers.cloud.servers import AttachedVolume, Group, Server
    from liveupdate.drivers.cloud.volumes import Volume
    from liveupdate.drivers.metrics import Source


@dataclass(frozen=True)
class Wish:
    """``group`` is "" for the one of the original's host; ``refused``: host → why Nova would not have it there."""

    group: str = ""
    same_host: SameHost = SameHost.LAST
    refused: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outlook:
    """``room``: host → what one more and all that is held may take of it, within the group's ceiling."""

    choice: Choice
    need: Need
    group: HostGroup
    facts: tuple[HostFacts, ...]
    room: Mapping[str, Mapping[str, int]]


def look(cloud: "Cloud", metrics: "Source", held: Mapping[str, Held], server: "Server", wish: Wish) -> Outlook:
    """Judge every host. ``held`` must have been read before. Raises NotFound for a group that does not exist."""
    aggregates = cloud.aggregates.list()
    known = groups.read(aggregates, [server.host])
    name = wish.group or next(iter(groups.of_host(known, server.host)), groups.DEFAULT)
    hosts = cloud.hosts.list(with_servers=groups.find(known, name).rules.counts_servers)
    all_groups = groups.read(aggregates, [host.name for host in hosts])
    group = groups.find(all_groups, name)
    attached = cloud.servers.volumes(server.id)
    volumes = {a.volume_id: cloud.volumes.get(a.volume_id) for a in attached}
    asked = _demand(cloud, server, volumes.get(_booted_from(server, attached)))
    stocks = _stocks(cloud, asked, hosts, {server.host, *group.hosts})
    busy = _utilization(metrics, group)
    facts = tuple(_facts(host, all_groups, stocks, held.get(host.name, Held()), busy) for host in hosts)
    home = next((fact.traits for fact in facts if fact.name == server.host), frozenset[str]())
    need = _need(cloud, server, asked, wish, home, cloud.servers.groups(server.server_groups))
    need = _within_reach(cloud, server, need, hosts, [volume for volume in volumes.values() if volume])
    free = {fact.name: room(fact, group, need.resources) for fact in facts}
    return Outlook(choose(need, facts, group), need, group, facts, free)


def _within_reach(
    cloud: "Cloud", server: "Server", need: Need, hosts: Sequence["Host"], volumes: Sequence["Volume"]
) -> Need:
    """With what is known of the hosts that reach the server's networks and volumes."""
    networks = {port.network_id for port in cloud.ports.of_server(server.id)}
    physical = {cloud.network_agents.physical_network(network) for network in networks} - {""}
    zones = {volume.zone for volume in volumes if volume.zone}
    home_zone = next((host.zone for host in hosts if host.name == server.host), "")
    return replace(
        need,
        unwired=reach.unwired(cloud.network_agents.list(), server.host, [host.name for host in hosts], physical),
        volumes_zone=reach.volumes_zone(home_zone, zones),
    )


def neighbours(cloud: "Cloud", outlook: Outlook, stuck: Mapping[str, str]) -> list[Neighbour]:
    """The servers on the hosts that would suit; ``stuck``: server id → why it is not to be moved, besides its own."""
    found = []
    for host in outlook.facts:
        if not suits(outlook.need, host, outlook.group):
            continue
        for server in cloud.servers.on_host(host.name):
            its_groups = cloud.servers.groups(server.server_groups)
            boot = _booted_from(server, cloud.servers.volumes(server.id))
            asked = _demand(cloud, server, cloud.volumes.get(boot) if boot else None)
            need = _need(cloud, server, asked, Wish(), host.traits, its_groups, alone=True)
            ours = "it is the one to be updated" if server.id == outlook.need.server_id else ""
            apart = {g.id for g in its_groups if g.policy == "anti-affinity"}
            fixed = why_fixed(
                server.status,
                server.task_state,
                server.locked,
                server.metadata,
                server.tags,
                server.flavor.extra_specs,
            )
            why_not = ours or stuck.get(server.id, "") or fixed
            found.append(Neighbour(server.id, server.name, host.name, need, why_not, frozenset(apart)))
    return found


def _booted_from(server: "Server", attached: Sequence["AttachedVolume"]) -> str:
    """The id of the volume; "" if it is none."""
    return next((a.volume_id for a in attached if a.device == server.root_device), "")


def _demand(cloud: "Cloud", server: "Server", boot_volume: "Volume | None") -> Demand:
    flavor = server.flavor
    # one that boots from a volume takes no root disk of its host, also where its image named that volume
    root_disk = flavor.disk if server.image_id and not boot_volume else 0
    properties = _image_properties(cloud, server, boot_volume)
    return demand.read(flavor.vcpus, flavor.memory, root_disk + flavor.local_disk, flavor.extra_specs, properties)


def _image_properties(cloud: "Cloud", server: "Server", boot_volume: "Volume | None") -> Mapping[str, str]:
    if server.image_id:
        # it may be gone by now: the server runs on without it
        image = cloud.images.get(server.image_id)
        return image.metadata if image else {}
    return boot_volume.image_properties if boot_volume else {}


def _stocks(
    cloud: "Cloud", asked: Demand, hosts: Sequence["Host"], wanted: set[str]
) -> dict[str, tuple["Stock", bool]]:
    """host → its stock, and whether Placement offers what is asked for; only those ``wanted`` if it does not."""
    offers = cloud.placement.offers(asked.query())
    found = {host.name: (offers[host.provider_id], True) for host in hosts if host.provider_id in offers}
    for host in hosts:
        if host.name in wanted and host.name not in found:
            found[host.name] = (cloud.placement.stock(host.provider_id), False)
    return found


def _utilization(metrics: "Source", group: HostGroup) -> Mapping[str, Utilization | NoData]:
    return metrics.utilization(group.hosts) if POLICIES[group.rules.policy].measured else {}


def _facts(
    host: "Host",
    all_groups: Sequence[HostGroup],
    stocks: Mapping[str, tuple["Stock", bool]],
    held: Held,
    busy: Mapping[str, Utilization | NoData],
) -> HostFacts:
    stock, offered = stocks.get(host.name, (None, False))
    return HostFacts(
        name=host.name,
        zone=host.zone,
        up=host.up,
        enabled=host.enabled,
        why_disabled=host.why_disabled,
        aggregates=host.aggregates,
        groups=groups.of_host(all_groups, host.name),
        servers=len(host.servers) + held.jobs,
        inventories={name: _inventory(amounts) for name, amounts in stock.amounts.items()} if stock else {},
        traits=stock.traits if stock else frozenset(),
        offered=offered,
        held=held.resources,
        utilization=busy.get(host.name, NO_SOURCE),
    )


def _inventory(amounts: Sequence["Amount"]) -> Inventory:
    """Of a host, or of all the providers below it together."""
    parts = [Inventory(a.total, a.reserved, a.ratio, a.used) for a in amounts]
    if len(parts) == 1:
        return parts[0]
    return Inventory(sum(part.capacity for part in parts), used=sum(part.used for part in parts))


# -- what the server asks for ------------------------------------------------------------------------------------------


def _need(
    cloud: "Cloud",
    server: "Server",
    asked: Demand,
    wish: Wish,
    instructions: frozenset[str],
    its_groups: Sequence["Group"],
    *,
    alone: bool = False,
) -> Need:
    """``alone``: the server itself moves, rather than a twin of it being made."""
    near = [(group, _hosts_of(cloud, group, server.id if alone else "")) for group in its_groups]
    soft: Counter[str] = Counter()
    for group, hosts in near:
        if group.policy.startswith("soft-"):
            sign = -1 if group.policy == "soft-affinity" else 1
            soft.update({host: sign * members for host, members in hosts.items()})
    return Need(
        server_id=server.id,
        host=server.host,
        resources=asked.resources,
        required=asked.required,
        forbidden=asked.forbidden,
        instructions=instructions,
        zone=server.pinned_zone,
        extra_specs=server.flavor.extra_specs,
        group_id=its_groups[0].id if its_groups else "",
        together=frozenset(host for group, hosts in near if group.policy == "affinity" for host in hosts),
        apart=frozenset(
            host
            for group, hosts in near
            if group.policy == "anti-affinity"
            for host, members in hosts.items()
            if members >= group.per_host
        ),
        soft=dict(soft),
        same_host=wish.same_host,
        refused_by_nova=wish.refused,
    )


def _hosts_of(cloud: "Cloud", group: "Group", but: str) -> Counter[str]:
    """host → members of the server group there, also the original: to Nova its twin is one more member."""
    found = [cloud.servers.get(member) for member in group.members if member != but]
    return Counter(server.host for server in found if server and server.host)
