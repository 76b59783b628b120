"""A fleet for the policies to choose from: a host group of simulated hosts, and a server on one of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from lab.settings import PATIENCE
from liveupdate.api.host_groups import HostGroups
from liveupdate.drivers.cloud import Clouds
from liveupdate.drivers.cloud.servers import Server
from liveupdate.drivers.metrics import Source
from liveupdate.model import SameHost
from liveupdate.planning.groups import Rules
from liveupdate.planning.placement import Choice
from liveupdate.steps.fleet_facts import Wish, look


@contextmanager
def host_group(name: str, hosts: Sequence[str]) -> Iterator[HostGroups]:
    """All host groups, one of which has this name and these hosts. It goes afterwards."""
    groups = HostGroups(Clouds("liveupdate").infrastructure(""))
    groups.create(name, Rules())
    for host in hosts:
        groups.add_host(name, host)
    yield groups
    for host in groups.get(name).hosts:
        groups.remove_host(name, host)
    groups.delete(name)


@contextmanager
def server_on(admin: Any, name: str, host: str) -> Iterator[Any]:
    """A tiny server there; ``admin``: openstacksdk's connection of an administrator. It goes afterwards."""
    image, flavor = admin.image.find_image("tiny"), admin.compute.find_flavor("tiny")
    server = admin.compute.create_server(name=name, image_id=image.id, flavor_id=flavor.id, networks="none", host=host)
    yield admin.compute.wait_for_server(server, interval=0.5, wait=PATIENCE)
    admin.compute.delete_server(server)
    admin.compute.wait_for_delete(server, interval=0.5, wait=PATIENCE)


def choice(metrics: Source, server_id: str, same_host: SameHost = SameHost.LAST) -> Choice:
    cloud = Clouds("liveupdate").infrastructure("")
    server: Server | None = cloud.servers.get(server_id)
    assert server is not None
    return look(cloud, metrics, {}, server, Wish(same_host=same_host)).choice
