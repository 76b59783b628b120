"""Ports of a cloud in memory, and the agents of its network; see cloud.py."""

from dataclasses import replace
from typing import Any

from liveupdate.drivers.cloud.network_agents import NetworkAgent
from liveupdate.drivers.cloud.ports import Link, Port
from liveupdate.testing.verbs import Verbs


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
