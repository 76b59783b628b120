"""Golden images: of no bytes of their own, they name the snapshots that servers are made from, as Nova's images do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openstack.exceptions import raise_from_response

from liveupdate.drivers.cloud.errors import calling
from liveupdate.drivers.cloud.images import listed

#: Of an image that is whole: those in the making are not listed.
READY = "liveupdate:golden"
_YES = "yes"
_MAPPING, _PATCH = "block_device_mapping", "application/openstack-images-v2.1-json-patch"


@dataclass(frozen=True)
class Disk:
    """A volume that servers get from the image. ``size`` in GiB; the boot disk is the first."""

    snapshot_id: str
    size: int

    def mapping(self, position: int) -> dict[str, Any]:
        """As Nova wants it. It dies with the server that it was made for."""
        return {
            "source_type": "snapshot",
            "destination_type": "volume",
            "boot_index": -1 if position else 0,
            "delete_on_termination": True,
            "volume_size": self.size,
        }


@dataclass(frozen=True)
class GoldenImage:
    """``min_disk`` in GiB, ``min_ram`` in MiB. ``properties``: text that Glance keeps beside its own words."""

    id: str
    name: str
    status: str
    owner: str
    created_at: str
    min_disk: int
    min_ram: int
    disks: tuple[Disk, ...]
    properties: Mapping[str, str]


class GoldenImages:
    """``image``: openstacksdk's proxy of Glance."""

    def __init__(self, image: Any) -> None:
        self._images = image

    def all(self, project_id: str = "") -> list[GoldenImage]:
        """Of this project, or ("", for administrators) of all of them; newest first."""
        whose = f"&owner={project_id}" if project_id else ""
        path = f"/images?{READY}={_YES}{whose}&sort=created_at:desc&limit=100"
        found = map(_image, listed(self._images, path))
        return [image for image in found if project_id in ("", image.owner)]

    def get(self, image_id: str) -> GoldenImage | None:
        """None also for an image that is none of ours, or not whole."""
        with calling(f"read image {image_id}"):
            answer = self._images.get(f"/images/{image_id}")
            if answer.status_code == 404:
                return None
            raise_from_response(answer)
            told = answer.json()
        return _image(told) if told.get(READY) == _YES else None

    def create(
        self, name: str, disks: Sequence[Disk], min_disk: int, min_ram: int, properties: Mapping[str, str]
    ) -> str:
        """An image that is not listed yet; its id."""
        mapped = [{**disk.mapping(n), "snapshot_id": disk.snapshot_id} for n, disk in enumerate(disks)]
        body = {
            **properties,
            "name": name,
            "container_format": "bare",
            "disk_format": "raw",
            "visibility": "private",
            "min_disk": min_disk,
            "min_ram": min_ram,
            "bdm_v2": "True",
            "root_device_name": "/dev/vda",
            _MAPPING: json.dumps(mapped),
        }
        with calling(f"create image {name}", creates=True):
            answer = self._images.post("/images", json=body)
            raise_from_response(answer)
            return str(answer.json()["id"])

    def fill(self, image_id: str) -> None:
        """With no bytes, which makes it active."""
        with calling(f"fill image {image_id}"):
            headers = {"Content-Type": "application/octet-stream"}
            raise_from_response(self._images.put(f"/images/{image_id}/file", data=b"", headers=headers))

    def publish(self, image_id: str, name: str) -> None:
        """Give it its name, and have it listed."""
        changes = [
            {"op": "replace", "path": "/name", "value": name},
            {"op": "add", "path": f"/{READY}", "value": _YES},
        ]
        with calling(f"publish image {image_id}"):
            headers = {"Content-Type": _PATCH}
            answer = self._images.patch(f"/images/{image_id}", data=json.dumps(changes), headers=headers)
            raise_from_response(answer)


def _image(told: Mapping[str, Any]) -> GoldenImage:
    return GoldenImage(
        id=told["id"],
        name=told.get("name") or "",
        status=told["status"],
        owner=told.get("owner") or "",
        created_at=told.get("created_at") or "",
        min_disk=int(told.get("min_disk") or 0),
        min_ram=int(told.get("min_ram") or 0),
        disks=_disks(told.get(_MAPPING)),
        properties={key: value for key, value in told.items() if isinstance(value, str) and key != _MAPPING},
    )


def _disks(mapping: Any) -> tuple[Disk, ...]:
    """The owner may have changed it: what is no mapping of ours is none."""
    try:
        mapped = sorted(json.loads(mapping or "[]"), key=lambda one: one["boot_index"] != 0)
        return tuple(Disk(str(one["snapshot_id"]), int(one["volume_size"])) for one in mapped)
    except (ValueError, KeyError, TypeError):
        return ()
