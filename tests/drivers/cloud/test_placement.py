"""Who has how much, as Placement tells it."""

from typing import Any

from liveupdate.drivers.cloud.placement import Amount, Placement, Stock
from tests.drivers.cloud.answers import Service


def summary(root: str, resources: dict[str, tuple[int, int]], *traits: str) -> dict[str, Any]:
    told = {name: {"capacity": capacity, "used": used} for name, (capacity, used) in resources.items()}
    return {"root_provider_uuid": root, "resources": told, "traits": list(traits)}


def test_offers_are_told_by_hypervisor_with_all_that_is_below_it() -> None:
    summaries = {
        "a": summary("a", {"VCPU": (64, 3)}, "COMPUTE_NODE"),
        "a-gpu": summary("a", {"VGPU": (4, 1)}, "CUSTOM_FAST"),
        "b": summary("b", {"VCPU": (8, 0)}),
    }
    service = Service({"GET /allocation_candidates": {"provider_summaries": summaries}})
    found = Placement(service).offers({"resources": "VCPU:1", "required": "!COMPUTE_STATUS_DISABLED"})
    assert found == {
        "a": Stock(
            {"VCPU": (Amount(64, 0, 1.0, 3),), "VGPU": (Amount(4, 0, 1.0, 1),)},
            frozenset({"COMPUTE_NODE", "CUSTOM_FAST"}),
        ),
        "b": Stock({"VCPU": (Amount(8, 0, 1.0, 0),)}, frozenset()),
    }
    assert service.asked[0][1]["params"]["resources"] == "VCPU:1"


def test_the_stock_of_a_full_hypervisor_is_read_with_what_is_reserved() -> None:
    inventory = {"total": 16, "reserved": 2, "allocation_ratio": 4.0}
    service = Service(
        {
            "GET /resource_providers": {"resource_providers": [{"uuid": "a"}, {"uuid": "a-numa"}]},
            "GET /resource_providers/a/inventories": {"inventories": {"VCPU": inventory}},
            "GET /resource_providers/a/usages": {"usages": {"VCPU": 56}},
            "GET /resource_providers/a/traits": {"traits": ["COMPUTE_NODE"]},
            "GET /resource_providers/a-numa/inventories": {"inventories": {"VCPU": inventory}},
            "GET /resource_providers/a-numa/usages": {"usages": {}},
            "GET /resource_providers/a-numa/traits": {"traits": ["HW_NUMA_ROOT"]},
        }
    )
    found = Placement(service).stock("a")
    assert found.amounts == {"VCPU": (Amount(16, 2, 4.0, 56), Amount(16, 2, 4.0, 0))}
    assert found.traits == {"COMPUTE_NODE", "HW_NUMA_ROOT"}
    assert service.asked[0][1]["params"] == {"in_tree": "a"}
