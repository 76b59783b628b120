"""What a flavor asks of Placement."""

import pytest

from liveupdate.errors import Invalid
from liveupdate.planning.demand import Demand, read


def demand(specs: dict[str, str] | None = None, image: dict[str, str] | None = None, disk: int = 0) -> Demand:
    return read(2, 1024, disk, specs or {}, image or {})


def test_a_plain_flavor_asks_for_processors_and_memory_and_its_disk_if_it_has_one() -> None:
    assert demand().resources == {"VCPU": 2, "MEMORY_MB": 1024}
    assert demand(disk=3).resources["DISK_GB"] == 3
    assert demand().query() == {"resources": "MEMORY_MB:1024,VCPU:2", "required": "!COMPUTE_STATUS_DISABLED"}


def test_dedicated_processors_are_a_class_of_their_own() -> None:
    assert demand({"hw:cpu_policy": "dedicated"}).resources == {"PCPU": 2, "MEMORY_MB": 1024}
    assert demand(image={"hw_cpu_policy": "dedicated"}).resources == {"PCPU": 2, "MEMORY_MB": 1024}


def test_extra_specs_override_and_add() -> None:
    assert demand({"resources:VCPU": "0", "resources:CUSTOM_X": "1"}).resources == {"MEMORY_MB": 1024, "CUSTOM_X": 1}


def test_traits_are_required_and_forbidden_by_flavor_and_image() -> None:
    asked = demand({"trait:CUSTOM_B": "forbidden"}, {"trait:CUSTOM_A": "required"})
    assert asked.required == {"CUSTOM_A"}
    assert asked.forbidden == {"CUSTOM_B"}
    assert asked.query()["required"] == "CUSTOM_A,!CUSTOM_B,!COMPUTE_STATUS_DISABLED"


def test_devices_are_asked_for_in_groups() -> None:
    specs = {"resources1:VGPU": "1", "trait1:CUSTOM_FAST": "required", "resources_NIC:CUSTOM_NIC": "2"}
    assert demand(specs).devices == {
        "resources1": "VGPU:1",
        "required1": "CUSTOM_FAST",
        "resources_NIC": "CUSTOM_NIC:2",
        "group_policy": "none",
    }


def test_what_placement_does_not_know_is_named() -> None:
    specs = {"hw:mem_page_size": "large", "hw:numa_nodes": "2", "pci_passthrough:alias": "a:1", "hw_rng:allowed": "1"}
    assert demand(specs).left_to_nova == ("hw:mem_page_size", "hw:numa_nodes", "pci_passthrough:alias")


def test_an_amount_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match="resources:VCPU"):
        demand({"resources:VCPU": "many"})
