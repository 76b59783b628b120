"""What POST /servers gets for a server that is to take another's place."""

from collections.abc import Sequence
from typing import Any

from liveupdate.model import Resource
from liveupdate.steps.protocol import StepContext
from liveupdate.steps.resources import mark


def request(
    context: StepContext, line: Resource, port_id: str, boot_volume_id: str, data_volume_ids: Sequence[str] = ()
) -> dict[str, Any]:
    """Name, hostname, flavor, zone, metadata and user data of the preflight's server; nothing dies with it yet."""
    original = context.result("preflight")["server"]
    user_data = context.service_cloud().servers.user_data(original["id"])
    optional = {
        # a key pair belongs to a user: the requester may not be the one who made the server
        "key_name": original["key_name"] if context.user_cloud().keypairs.exists(original["key_name"]) else "",
        "availability_zone": original["availability_zone"],
        "description": original["description"],
        "user_data": user_data,
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
            {
                "uuid": volume_id,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": -1 if number else 0,
                "delete_on_termination": False,
            }
            for number, volume_id in enumerate([boot_volume_id, *data_volume_ids])
        ],
    } | {key: value for key, value in optional.items() if value}
