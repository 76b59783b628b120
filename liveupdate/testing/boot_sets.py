"""For tests: a server whose operating system lies on two volumes, and what its guest tells of them."""

from collections.abc import Iterable
from typing import Any

from liveupdate.drivers.cloud.servers import AttachedVolume
from liveupdate.testing.cloud import World, with_server
from liveupdate.testing.storage import volume

_BY_ID = "/dev/disk/by-id/virtio-"
#: Where each partition or volume is mounted, if the server has it.
_PLACES = {"root-volume-part1": "/", "root-volume-part2": "/boot", "var-volume": "/var"}


def with_boot_set() -> World:
    """As with_server, but /var is on a volume of its own, "var-volume", of another size and type than the root's."""
    world = with_server()
    add_boot_volume(world, "original")
    return world


def add_boot_volume(world: World, server_id: str) -> None:
    world.volumes["var-volume"] = volume("var-volume", size=2, type="fast")
    world.attached[server_id]["var-volume"] = AttachedVolume("var-volume", "/dev/vdc", "", True)
    world.update_volume("var-volume")


def disks_of(volume_ids: Iterable[str]) -> dict[str, Any]:
    """ "mounts" and "fstab" of the boot set, as guest/inspect.py tells them in a server with these volumes."""
    known = {*volume_ids, "root-volume"}
    there = {name: where for name, where in _PLACES.items() if _volume(name) in known}
    mounts = [{**_mount(name), "where": where, "fstype": "ext4", "options": "rw"} for name, where in there.items()]
    table = [{"source": f"LABEL={w}", "where": w, "fstype": "ext4", "options": "rw"} for w in there.values()]
    return {"mounts": mounts, "fstab": table}


def _mount(name: str) -> dict[str, Any]:
    return {"device": f"/dev/{name}", "by_id": f"{_BY_ID}{name}", "disks": [f"{_BY_ID}{_volume(name)}"]}


def _volume(name: str) -> str:
    return name.partition("-part")[0]
