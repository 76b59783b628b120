"""Flavors."""

from typing import Any

from liveupdate.drivers.cloud.errors import calling, missing
from liveupdate.drivers.cloud.servers import Flavor, local_disk


class Flavors:
    def __init__(self, compute: Any) -> None:
        self._compute = compute

    def id_of(self, flavor: Flavor) -> str:
        """The id of the flavor that still is as the server knows it; "" if it was removed or changed.

        (Since microversion 2.47 a server tells its flavor's name and contents, but not its id.)
        """
        with calling("list the flavors"):
            same = (f.id for f in self._compute.flavors() if f.name == flavor.name and _same(f, flavor))
            return str(next(same, ""))

    def get(self, flavor_id: str) -> Flavor | None:
        """None if there is no such flavor for whoever asks."""
        with calling(f"read flavor {flavor_id}"):
            try:
                found = self._compute.get_flavor(flavor_id)
            except Exception as error:
                if missing(error):
                    return None
                raise
        local = local_disk(found.ephemeral, found.swap)
        return Flavor(found.name, found.vcpus, found.ram, found.disk, local, dict(found.extra_specs or {}))


def _same(found: Any, flavor: Flavor) -> bool:
    now = (found.vcpus, found.ram, found.disk, local_disk(found.ephemeral, found.swap))
    return now == (flavor.vcpus, flavor.memory, flavor.disk, flavor.local_disk)
