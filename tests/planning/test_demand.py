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


@pytest.mark.parametrize(
    ("specs", "image", "dedicated", "shared"),
    [
        ({"hw:cpu_dedicated_mask": "0-2"}, {}, 3, 5),
        ({"hw:cpu_dedicated_mask": "0-3,^1, 6"}, {}, 4, 4),
        ({"hw:cpu_dedicated_mask": "^0-1"}, {}, 6, 2),
        ({"hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "^0"}, {}, 7, 1),
        ({"hw:cpu_realtime": "yes", "hw:cpu_realtime_mask": "^0"}, {"hw_cpu_realtime_mask": "6-7"}, 2, 6),
        ({"hw:cpu_dedicated_mask": "7", "hw:emulator_threads_policy": "isolate"}, {}, 2, 7),
    ],
)
def test_a_mixed_server_has_some_dedicated_processors_and_shares_the_rest(
    specs: dict[str, str], image: dict[str, str], dedicated: int, shared: int
) -> None:
    asked = read(8, 1024, 0, {"hw:cpu_policy": "mixed", **specs}, image).resources
    assert asked == {"PCPU": dedicated, "VCPU": shared, "MEMORY_MB": 1024}


def test_a_mask_that_is_none_is_refused() -> None:
    for mask in ("a", "1-", "0-4-5", "٣"):
        with pytest.raises(Invalid, match="hw:cpu_dedicated_mask"):
            demand({"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": mask})


def test_threads_of_the_emulator_may_have_a_processor_of_their_own() -> None:
    isolated = {"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}
    assert demand(isolated).resources == {"PCPU": 3, "MEMORY_MB": 1024}


def test_what_the_flavor_names_itself_is_not_asked_for_twice() -> None:
    assert demand({"resources:PCPU": "2"}).resources == {"PCPU": 2, "MEMORY_MB": 1024}
    assert demand({"resources1:VCPU": "2", "resources1:MEMORY_MB": "512"}).resources == {}


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
