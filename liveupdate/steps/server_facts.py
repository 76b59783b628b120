"""What the cloud knows of a server, as small JSON: the preflight's result "server", which later steps read."""

from typing import TYPE_CHECKING, Any

from liveupdate.drivers.cloud import host_keys

if TYPE_CHECKING:
    from collections.abc import Iterable

    from liveupdate.drivers.cloud import Cloud
    from liveupdate.drivers.cloud.attachments import Attachment
    from liveupdate.drivers.cloud.ports import Port
    from liveupdate.drivers.cloud.servers import Server

#: Nova hands at most this many characters of a volume's id to the guest as its disk's serial number.
SERIAL = 20

#: Metadata of an earlier update's release: it speaks of that update, not of the next.
_OF_LAST_UPDATE = frozenset({host_keys.METADATA, "liveupdate:replaces"})


def describe(cloud: "Cloud", server: "Server") -> dict[str, Any]:
    """Read with the service user's cloud: a user does not see hosts."""
    attachments = cloud.attachments.of_server(server.id)
    volumes = _volumes(cloud, server, attachments)
    # a server made from an image has its root disk on its host, unless the image names volumes for it
    image_id = "" if any(volume["boot"] for volume in volumes) else server.image_id
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
        "image_id": image_id,
        # GiB
        "root_disk": server.flavor.disk if image_id else 0,
        "volumes": volumes,
        "inside": _inside(cloud, attachments, {v["id"] for v in volumes}),
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


def host_paths(attachments: "Iterable[Attachment]") -> dict[str, tuple[str, int | None]]:
    """Volume id → the protocol by which the server's host has it, and over how many paths; None: not to be counted."""
    return {a.volume_id: (a.protocol, None if a.paths is None else len(a.paths)) for a in attachments}


def _inside(cloud: "Cloud", attachments: "Iterable[Attachment]", novas: set[str]) -> list[dict[str, Any]]:
    """The volumes that the guest attaches by itself: iSCSI that is not Nova's."""
    found = []
    for attachment in attachments:
        volume = None if attachment.volume_id in novas else cloud.volumes.get(attachment.volume_id)
        if volume and attachment.protocol == "iscsi":
            found.append(
                {
                    "id": volume.id,
                    "name": volume.name,
                    "type": volume.type,
                    "size": volume.size,
                    "multiattach": volume.multiattach,
                    "servers": sorted(volume.servers),
                    "attachment_id": attachment.id,
                    "targets": [[path.portal, path.target, path.lun] for path in attachment.paths or ()],
                }
            )
    return found


def _volumes(cloud: "Cloud", server: "Server", attachments: "Iterable[Attachment]") -> list[dict[str, Any]]:
    found = []
    connected = host_paths(attachments)
    for attached in cloud.servers.volumes(server.id):
        volume = cloud.volumes.get(attached.volume_id)
        if volume is None:
            continue
        boot = attached.device == server.root_device
        protocol, paths = connected.get(volume.id, ("", None))
        found.append(
            {
                "id": volume.id,
                "name": volume.name,
                "description": volume.description,
                "metadata": dict(volume.metadata),
                # of the boot set: what the guest has mounted may add others (planning/boot_set.py)
                "boot": boot,
                "root": boot,
                "bootable": volume.bootable,
                "status": volume.status,
                "device": attached.device,
                "delete_on_termination": attached.delete_on_termination,
                "multiattach": volume.multiattach,
                "type": volume.type,
                "encrypted": volume.encrypted,
                "size": volume.size,
                "serial": volume.id[:SERIAL],
                "servers": sorted(volume.servers),
                "protocol": protocol,
                "paths": paths,
            }
            | ({"image_properties": dict(volume.image_properties)} if boot else {})
        )
    return found
