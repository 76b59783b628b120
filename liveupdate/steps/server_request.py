"""What POST /servers gets for a server that is to take another's place."""

from collections.abc import Mapping, Sequence
from typing import Any

from liveupdate.model import Resource
from liveupdate.steps.kinds import mark
from liveupdate.steps.protocol import StepContext


def request(
    context: StepContext, line: Resource, port_id: str, root: Mapping[str, Any], volume_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """Name, hostname, flavor, zone, metadata and user data of the preflight's server; no volume dies with it yet.

    ``root``: {"volume_id"}, or {"image_id"} for a root disk on the host; ``volume_ids``: of the disks after it.
    """
    original = context.result("preflight")["server"]
    user_data = context.service_cloud().servers.user_data(original["id"])
    optional = {
        # a key pair belongs to a user: the requester may not be the one who made the server
        "key_name": original["key_name"] if context.user_cloud().keypairs.exists(original["key_name"]) else "",
        "availability_zone": original["availability_zone"],
        "description": original["description"],
        "user_data": user_data,
        "imageRef": root.get("image_id", ""),
    }
    return {
        "name": original["name"],
        "hostname": original["hostname"],
        "flavorRef": original["flavor_id"],
        "networks": [{"port": port_id}],
        "config_drive": original["config_drive"],
        "metadata": original["metadata"],
        "tags": [mark(line)],
        "block_device_mapping_v2": [
            _local(root["image_id"]) if root.get("image_id") else _volume(root["volume_id"], 0),
            *(_volume(volume_id, -1) for volume_id in volume_ids),
        ],
    } | {key: value for key, value in optional.items() if value}


def _volume(volume_id: str, boot_index: int) -> dict[str, Any]:
    return {
        "uuid": volume_id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": boot_index,
        "delete_on_termination": False,
    }


def _local(image_id: str) -> dict[str, Any]:
    """A disk on the host, of the flavor's size, which cannot but die with the server."""
    return {
        "uuid": image_id,
        "source_type": "image",
        "destination_type": "local",
        "boot_index": 0,
        "delete_on_termination": True,
    }
