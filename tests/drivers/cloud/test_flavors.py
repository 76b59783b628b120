"""A flavor as Nova tells it: swap in MiB, the other disks in GiB; the id of one that is still what it was."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from liveupdate.drivers.cloud.flavors import Flavors


class Nova:
    def __init__(self, **disks: Any) -> None:
        self.flavor = SimpleNamespace(id="f-1", name="two", vcpus=2, ram=2048, disk=3, extra_specs=None, **disks)

    def get_flavor(self, flavor_id: str) -> Any:
        return self.flavor

    def flavors(self) -> list[Any]:
        return [self.flavor]


@pytest.mark.parametrize(
    ("ephemeral", "swap", "gibibytes"), [(0, "", 0), (None, 0, 0), (0, 1, 1), (0, 1024, 1), (4, 1025, 6), (4, "512", 5)]
)
def test_what_lies_on_the_host_besides_the_root_disk(ephemeral: Any, swap: Any, gibibytes: int) -> None:
    flavor = Flavors(Nova(ephemeral=ephemeral, swap=swap)).get("f-1")
    assert flavor is not None
    assert flavor.local_disk == gibibytes


def test_a_flavor_that_was_changed_is_not_the_servers_any_more() -> None:
    flavors = Flavors(Nova(ephemeral=4, swap=512))
    flavor = flavors.get("f-1")
    assert flavor is not None
    assert flavors.id_of(flavor) == "f-1"
    assert flavors.id_of(replace(flavor, local_disk=4)) == ""
    assert flavors.id_of(replace(flavor, memory=1024)) == ""
