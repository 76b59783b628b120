"""Ports, with the subnet and network that say what an address on them means."""

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from liveupdate.drivers.cloud.errors import calling, missing


@dataclass(frozen=True)
class Port:
    """``addresses`` are (subnet id, address); ``allowed`` the addresses it may use besides its own."""

    id: str
    name: str
    description: str
    status: str
    mac: str
    network_id: str
    project_id: str
    device_id: str
    vnic_type: str
    port_security: bool
    addresses: tuple[tuple[str, str], ...]
    allowed: tuple[str, ...]
    security_groups: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """What a guest needs to know to use an address; ``gateway`` may be ""; ``mtu`` in bytes."""

    version: int
    prefix: int
    gateway: str
    mtu: int
    shared: bool
    network_project_id: str


class Ports:
    def __init__(self, network: Any) -> None:
        self._network = network

    def get(self, port_id: str) -> Port | None:
        with calling(f"read port {port_id}"):
            try:
                return _port(self._network.get_port(port_id))
            except Exception as error:
                if missing(error):
                    return None
                raise

    def all(self) -> list[Port]:
        """Of every project, for administrators."""
        with calling("list the ports"):
            return [_port(p) for p in self._network.ports()]

    def of_server(self, server_id: str) -> list[Port]:
        with calling(f"list the ports of server {server_id}"):
            return [_port(p) for p in self._network.ports(device_id=server_id)]

    def find(self, name: str, mark: str) -> Port | None:
        """The port of this name whose description is ``mark``, or None."""
        with calling(f"look for port {name}"):
            return next((_port(p) for p in self._network.ports(name=name) if p.description == mark), None)

    def create(self, name: str, mark: str, like: Port) -> Port:
        """A port beside ``like``: same network, subnet and security groups, an address of its own."""
        subnet_id = like.addresses[0][0]
        body: dict[str, Any] = {
            "name": name,
            "description": mark,
            "network_id": like.network_id,
            "fixed_ips": [{"subnet_id": subnet_id}],
        }
        if like.port_security:
            body["security_group_ids"] = list(like.security_groups)
        with calling(f"create port {name}", creates=True):
            return _port(self._network.create_port(**body))

    def allow(self, port_id: str, address: str) -> None:
        """Let the port use ``address`` besides its own; in force in the data path only after about two seconds.

        Administrators and network owners only.
        """
        pairs = self._pairs(port_id)
        if address not in [p["ip_address"] for p in pairs]:
            self._set_pairs(port_id, [*pairs, {"ip_address": address}])

    def disallow(self, port_id: str, address: str) -> None:
        """Take one address back, and leave the port's other pairs as they are."""
        pairs = self._pairs(port_id)
        if address in [p["ip_address"] for p in pairs]:
            self._set_pairs(port_id, [p for p in pairs if p["ip_address"] != address])

    def _pairs(self, port_id: str) -> list[dict[str, str]]:
        with calling(f"read port {port_id}"):
            return list(self._network.get_port(port_id).allowed_address_pairs or ())

    def _set_pairs(self, port_id: str, pairs: list[dict[str, str]]) -> None:
        with calling(f"set the address pairs of port {port_id}"):
            self._network.update_port(port_id, allowed_address_pairs=pairs)

    def free(self, port_id: str) -> None:
        """Take the port from whatever server it is on, as Neutron sees it: Nova then leaves it alone on a delete,
        also one that it made itself. Administrators only."""
        with calling(f"free port {port_id}"):
            self._network.update_port(port_id, device_id="", device_owner="", binding_host_id="")

    def delete(self, port_id: str) -> None:
        with calling(f"delete port {port_id}"):
            self._network.delete_port(port_id, ignore_missing=True)

    def link(self, port: Port) -> Link:
        """About the port's first address."""
        subnet_id = port.addresses[0][0]
        with calling(f"read subnet {subnet_id} and its network"):
            subnet = self._network.get_subnet(subnet_id)
            network = self._network.get_network(port.network_id)
        return Link(
            version=int(subnet.ip_version),
            prefix=ip_network(subnet.cidr).prefixlen,
            gateway=subnet.gateway_ip or "",
            mtu=int(network.mtu or 1500),
            shared=bool(network.is_shared),
            network_project_id=network.project_id or "",
        )

    def floating_addresses(self, port_id: str) -> list[str]:
        """None where the network has no routers at all."""
        with calling(f"list the floating addresses of port {port_id}"):
            try:
                return [f.floating_ip_address for f in self._network.ips(port_id=port_id)]
            except Exception as error:
                if missing(error):
                    return []
                raise


def _port(p: Any) -> Port:
    return Port(
        id=p.id,
        name=p.name or "",
        description=p.description or "",
        status=p.status or "",
        mac=p.mac_address or "",
        network_id=p.network_id or "",
        project_id=p.project_id or "",
        device_id=p.device_id or "",
        vnic_type=p.binding_vnic_type or "normal",
        port_security=p.is_port_security_enabled is not False,
        addresses=tuple((f["subnet_id"], f["ip_address"]) for f in p.fixed_ips or ()),
        allowed=tuple(a["ip_address"] for a in p.allowed_address_pairs or ()),
        security_groups=tuple(p.security_group_ids or ()),
    )
