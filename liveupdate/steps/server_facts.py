"""What the cloud knows of a server, as small JSON: the preflight's result "server", which later steps read."""

from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import host_keys

if TYPE_CHECKING:
    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.ports import Port
    from liveupdate.drivers.cloud.servers import Server

#: Nova hands at most this many characters of a volume's id to the guest as its disk's serial number.
_SERIAL = 20

#: Metadata of an earlier update's release: it speaks of that update, not of the next.
_OF_LAST_UPDATE = frozenset({host_keys.METADATA, "liveupdate:replaces"})


def describe(cloud: "Cloud", server: "Server") -> dict[str, Any]:
    """Read with the service user's cloud: a user does not see hosts."""
    return {
        "id": server.id,
        "name": server.name,
        "project_id": server.project_id,
        "status": server.status,
        "task_state": server.task_state,
        "locked": server.locked,
        "locked_reason": server.locked_reason,
        "flavor_id": cloud.flavors.id_of(server.flavor),
        "flavor_name": server.flavor.name,
        "vcpus": server.flavor.vcpus,
        "memory": server.flavor.memory,
        "local_disk": server.flavor.local_disk,
        "extra_specs": dict(server.flavor.extra_specs),
        "availability_zone": server.pinned_zone,
        "key_name": server.key_name,
        "security_groups": list(server.security_groups),
        "metadata": {k: v for k, v in server.metadata.items() if k not in _OF_LAST_UPDATE},
        "tags": list(server.tags),
        "description": server.description,
        "config_drive": server.config_drive,
        "host": server.host,
        "hostname": server.hostname,
        "server_groups": list(server.server_groups),
        "ports": [_port(cloud, port) for port in cloud.ports.of_server(server.id)],
        # a server made from an image has its root disk, of so many GiB, on its host
        "image_id": server.image_id,
        "root_disk": server.flavor.disk if server.image_id else 0,
        "volumes": (volumes := _volumes(cloud, server)),
        "image_properties": next((v.pop("image_properties") for v in volumes if v["boot"]), {}),
    }


def _port(cloud: "Cloud", port: "Port") -> dict[str, Any]:
    link = cloud.ports.link(port) if port.addresses else None
    return {
        "id": port.id,
        "mac": port.mac,
        "network_id": port.network_id,
        "subnet_id": port.addresses[0][0] if port.addresses else "",
        "address": port.addresses[0][1] if port.addresses else "",
        "version": link.version if link else 0,
        "prefix": link.prefix if link else 0,
        "gateway": link.gateway if link else "",
        "mtu": link.mtu if link else 0,
        "fixed_ips": [address for _, address in port.addresses],
        "floating_ips": cloud.ports.floating_addresses(port.id),
        "vnic_type": port.vnic_type,
        "port_security": port.port_security,
    }


def host_paths(cloud: "Cloud", server_id: str) -> dict[str, tuple[str, int | None]]:
    """Volume id → the protocol by which the server's host has it, and over how many paths; None: not to be counted."""
    return {
        attachment.volume_id: (attachment.protocol, None if attachment.paths is None else len(attachment.paths))
        for attachment in cloud.attachments.of_server(server_id)
    }


def _volumes(cloud: "Cloud", server: "Server") -> list[dict[str, Any]]:
    found = []
    connected = host_paths(cloud, server.id)
    for attached in cloud.servers.volumes(server.id):
        volume = cloud.volumes.get(attached.volume_id)
        if volume is None:
            continue
        boot = not server.image_id and attached.device == server.root_device
        protocol, paths = connected.get(volume.id, ("", None))
        found.append(
            {
                "id": volume.id,
                "name": volume.name,
                "description": volume.description,
                "metadata": dict(volume.metadata),
                "boot": boot,
                "bootable": volume.bootable,
                "status": volume.status,
                "device": attached.device,
                "delete_on_termination": attached.delete_on_termination,
                "multiattach": volume.multiattach,
                "type": volume.type,
                "size": volume.size,
                "serial": volume.id[:_SERIAL],
                "servers": sorted(volume.servers),
                "protocol": protocol,
                "paths": paths,
            }
            | ({"image_properties": dict(volume.image_properties)} if boot else {})
        )
    return found
