"""Which hosts reach a server's networks and volumes, judged by what its own host shows. Pure.

Neither Neutron nor Cinder tells it for every back-end: where the original's host shows no such thing, nothing is known
and nobody is refused.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

#: Agents that wire a server's port on its host.
_WIRING = ("Open vSwitch agent", "Linux bridge agent", "OVN Controller agent", "OVN Controller Gateway agent")


class Agent(Protocol):
    """See drivers/cloud/network_agents.py."""

    @property
    def host(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    @property
    def physical(self) -> frozenset[str]: ...


def unwired(agents: Iterable[Agent], home: str, hosts: Iterable[str], physical: Collection[str]) -> Mapping[str, str]:
    """host → why it cannot reach the server's networks, of which ``physical`` lie on physical ones."""
    wiring = [agent for agent in agents if agent.type in _WIRING]
    here = [agent for agent in wiring if agent.host == home]
    if not here:
        return {}
    needed = {name for name in physical if any(name in agent.physical for agent in here)}
    found = {}
    for host in hosts:
        there = [agent for agent in wiring if agent.host == host]
        alive = [agent for agent in there if agent.alive]
        lacking = sorted(name for name in needed if not any(name in agent.physical for agent in alive))
        if not alive:
            found[host] = f"{'its' if there else 'it has no'} network agent{' is down' if there else ''}"
        elif lacking:
            found[host] = f"it is not wired to {', '.join(lacking)}"
    return found


def volumes_zone(home_zone: str, zones: Collection[str]) -> str:
    """The zone that hosts must be in for the volumes' sake; "" for any.

    Whether Nova attaches across zones (its cross_az_attach) is hidden; a server that has a volume of another zone than
    its host's shows that it does.
    """
    return home_zone if zones and set(zones) == {home_zone} else ""
