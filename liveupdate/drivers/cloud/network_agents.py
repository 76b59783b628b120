"""Neutron's agents on the hosts: what tells where a network can be reached. Service user only."""

from dataclasses import dataclass
from typing import Any

from liveupdate.drivers.cloud.errors import calling


@dataclass(frozen=True)
class NetworkAgent:
    """``physical`` are the physical networks that its host is wired to, as far as the agent tells."""

    host: str
    type: str
    alive: bool
    physical: frozenset[str] = frozenset()


class NetworkAgents:
    def __init__(self, network: Any) -> None:
        self._network = network

    def list(self) -> list[NetworkAgent]:
        with calling("list Neutron's agents"):
            return [_agent(a) for a in self._network.agents()]

    def physical_network(self, network_id: str) -> str:
        """That a flat or VLAN network lies on; "" for others."""
        with calling(f"read network {network_id}"):
            return str(self._network.get_network(network_id).provider_physical_network or "")


def _agent(a: Any) -> NetworkAgent:
    told = a.configuration or {}
    # Open vSwitch and Linux bridge tell pairs; OVN one text, "physical:bridge,…"
    mappings = told.get("bridge_mappings") or told.get("interface_mappings") or told.get("bridge-mappings") or {}
    if isinstance(mappings, str):
        mappings = [pair.partition(":")[0] for pair in mappings.split(",") if pair]
    return NetworkAgent(a.host or "", a.agent_type or "", bool(a.is_alive), frozenset(mappings))
